"""What stands beside ours in the benchmark does the same work: its numbers are the same."""

from __future__ import annotations

import numpy as np
import pytest

from agch.metrics import evaluate, precision_recall_by_radius
from agch.ranking import Histogram
from benchmarks.evaluate import AT, LABELS, made, one_query

QUERIES, ROWS = 12, 300


@pytest.mark.parametrize("bits", [8, 16, 64])
def test_the_loop_of_the_field_gives_our_scores_of_every_query(bits: int) -> None:
    data = made(QUERIES, ROWS, bits)
    found = evaluate(*data, at=AT)
    loops = [one_query(data, row, ties=True) for row in range(QUERIES)]
    assert set(found.stable) < set(loops[0])
    for name, scores in found.stable.items():
        told = [loop[name] for loop in loops]
        np.testing.assert_allclose(told, scores, rtol=0, atol=1e-12, err_msg=name)
        expected = np.concatenate([loop["expected"][name] for loop in loops])
        np.testing.assert_allclose(expected, found.expected[name], rtol=0, atol=1e-12, err_msg=name)
        assert np.mean(told) == pytest.approx(found.means("stable")[name], abs=1e-12)
    # 8 bits tie a lot
    assert found.means("stable")["map@50"] != found.means("expected")["map@50"]


@pytest.mark.parametrize("bits", [8, 64])
def test_the_loop_of_the_field_counts_within_every_radius(bits: int) -> None:
    data = made(QUERIES, ROWS, bits)
    counts = evaluate(*data, at=AT).counts
    loops = [one_query(data, row) for row in range(QUERIES)]
    _, recall = precision_recall_by_radius(counts)
    assert np.mean([loop["recall"] for loop in loops], axis=0) == pytest.approx(recall, abs=1e-12)
    retrieved, relevant = (side.cumsum(axis=1) for side in (counts.total, counts.relevant))
    precision = [loop["precision"] for loop in loops]
    assert precision == pytest.approx(relevant / np.maximum(retrieved, 1), abs=1e-12)


def test_ties_are_worked_out_only_where_they_are_asked_for() -> None:
    data = made(QUERIES, ROWS, 8)
    assert "expected" not in one_query(data, 0)
    assert set(one_query(data, 0, ties=True)) - set(one_query(data, 0)) == {"expected"}


def test_made_data_are_signs_and_labels_that_know_of_each_other() -> None:
    data = made(QUERIES, ROWS, 16)
    assert [side.shape for side in data] == [
        (QUERIES, 16),
        (ROWS, 16),
        (QUERIES, LABELS),
        (ROWS, LABELS),
    ]
    assert set(np.unique(data.query)) == set(np.unique(data.database)) == {-1, 1}
    assert set(np.unique(data.database_labels)) == {0, 1}
    assert data.query_labels.any(axis=1).all()
    counts: Histogram = evaluate(*data, at=AT).counts
    chance = counts.relevant.sum() / counts.total.sum()
    assert evaluate(*data, at=AT).means("expected")["map"] > chance + 0.03
