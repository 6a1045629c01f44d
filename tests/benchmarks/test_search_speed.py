"""What is timed answers alike, and the table says what was measured."""

from __future__ import annotations

import pytest

from benchmarks.search import NEAREST, contenders, line, milliseconds


def test_both_engines_answer_the_same_query_alike() -> None:
    pytest.importorskip("faiss")
    works = contenders(1000)
    by_numpy, by_faiss = works["numpy"](), works["faiss"]()
    for ours, theirs in zip(by_numpy, by_faiss, strict=True):
        assert len(ours) == NEAREST and ours.tolist() == theirs.tolist()
    assert len(works["cosine"]().rows) == NEAREST and works["bare"]() is None


def test_each_is_timed_by_name_and_told_beside_the_bare_pass() -> None:
    times = milliseconds({"bare": lambda: None, "numpy": lambda: sum(range(20_000))})
    assert list(times) == ["bare", "numpy"] and 0 < times["bare"] < times["numpy"]
    told = line(25_000, {"bare": 0.5, "numpy": 1.25, "faiss": 1.0, "cosine": 20.0})
    cells = [cell.split() for cell in told.strip("|").split("|")]
    assert cells == [
        ["25,000"],
        ["0.500", "1.0x"],
        ["1.250", "2.5x"],
        ["1.000", "2.0x"],
        ["20.000", "40.0x"],
    ]
