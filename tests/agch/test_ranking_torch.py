"""Evaluation by torch gives what numpy gives, in every bit of every score and count."""

import numpy as np
import pytest
from rankings import retrieval

from agch import ranking_torch
from agch.metrics import evaluate
from agch.ranking import search
from agch.ranking_torch import DeviceSearch
from tests.gpu import needs_cuda

TORCH = "cpu:0"
"""Any device but `cpu` itself is torch's."""


def same(first, second):
    for rule in ("stable", "expected"):
        one, other = getattr(first, rule), getattr(second, rule)
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=f"{rule} {name}")
    for name, one, other in zip(first.counts._fields, first.counts, second.counts, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=name)


def many_labels(shared, width=300):
    """Random codes; the first database row shares so many labels with the first query."""
    query, database, *_ = retrieval(0, queries=5, rows=40, bits=8)
    rng = np.random.default_rng(0)
    labels = [(rng.random((n, width)) < 0.2).astype(np.uint8) for n in (5, 40)]
    for side in labels:
        side[0] = np.arange(width) < shared
    return query, database, *labels


@pytest.mark.parametrize("bits", [8, 72, 320])
@pytest.mark.parametrize("classes", [1, 24])
def test_scores_and_counts_equal_those_of_numpy(bits, classes):
    arrays = retrieval(1, queries=20, rows=90, bits=bits, classes=classes)
    at = (1, 7, 50, 200)
    same(evaluate(*arrays, at=at), evaluate(*arrays, at=at, device=TORCH))


@pytest.mark.parametrize("shared", [254, 255, 256, 300])
def test_shared_labels_over_255_do_not_wrap(shared):
    arrays = many_labels(shared)
    found = evaluate(*arrays, at=(1, 40), device=TORCH)
    same(evaluate(*arrays, at=(1, 40)), found)
    assert found.counts.grades.shape[1] == shared + 1
    assert found.counts.grades[0, shared] == 1


def test_distances_over_255_do_not_wrap():
    ones, zeros = np.full((1, 40), 255, np.uint8), np.zeros((2, 40), np.uint8)
    zeros[1, 0] = 1
    label = np.ones((2, 1), np.uint8)
    counts = evaluate(ones, zeros, label[:1], label, device=TORCH).counts
    assert np.flatnonzero(counts.total[0]).tolist() == [319, 320]


def test_ties_are_broken_by_the_order_of_the_database():
    # 500 items at distance 0, of which the relevant one is the 301st; of the 500 others at
    # distance 1 it is the first: (1/301 + 2/501) / 2. A sort that is not stable would mix them
    codes = np.tile(np.array([[1], [0]], np.uint8), (500, 1))
    label = np.isin(np.arange(1000), (0, 601)).astype(np.uint8)[:, None]
    found = evaluate(codes[601:602], codes, label[601:602], label, device=TORCH)
    assert found.stable["map"] == pytest.approx([(1 / 301 + 2 / 501) / 2])


@pytest.mark.parametrize("pairs", [1, 89, 91, 400])
def test_the_size_of_a_block_changes_nothing(monkeypatch, pairs):
    arrays = retrieval(2, queries=13, rows=90, bits=16, classes=9)
    whole = evaluate(*arrays)
    monkeypatch.setattr(ranking_torch, "PAIRS", pairs)
    parts = DeviceSearch(search(*arrays), TORCH).parts()
    assert [row for part in parts for row in range(13)[part]] == list(range(13))
    assert len(parts) == -(-13 // max(1, pairs // 90))
    same(whole, evaluate(*arrays, device=TORCH))


def test_torch_is_used_for_every_device_but_cpu(monkeypatch):
    arrays, asked = retrieval(3), []

    class Spy(DeviceSearch):
        def __init__(self, found, device):
            asked.append(device)
            super().__init__(found, device)

    monkeypatch.setattr(ranking_torch, "DeviceSearch", Spy)
    evaluate(*arrays)
    evaluate(*arrays, device="cpu")
    assert asked == []
    evaluate(*arrays, device=TORCH)
    assert asked == [TORCH]


@needs_cuda
@pytest.mark.parametrize("bits", [8, 72, 320])
def test_cuda_gives_what_numpy_gives(bits):
    arrays = retrieval(1, queries=20, rows=90, bits=bits, classes=24)
    same(evaluate(*arrays), evaluate(*arrays, device="cuda"))
    same(evaluate(*many_labels(300)), evaluate(*many_labels(300), device="cuda"))
