"""The list of runs as an address asks for it."""

from __future__ import annotations

import csv
import io
import math
from types import SimpleNamespace

import pytest
from starlette.datastructures import QueryParams

from studio.runs.export import of_groups, to_csv
from studio.runs.model import Run
from studio.web.cells import cells, group_cells
from studio.web.run_list import View, groups, viewed


def site(*runs):
    return SimpleNamespace(
        runs=SimpleNamespace(runs=lambda: list(runs)),
        stars=SimpleNamespace(ids=set),
        directions=lambda runs: {},
    )


def run(name, score=None, **params):
    metrics = {} if score is None else {"m.json:score": score}
    return Run(name, name, "experiment", params=params, metrics=metrics)


def names(view, *runs):
    return [each.name for each in viewed(site(*runs), view).runs]


@pytest.mark.parametrize(
    "typed",
    ["a=1", "a=1.0", "b=1e-5", "b=0.00001", "b=1e-05", "c=131.43", "c=131.4312345", "c=131.43 a=1"]
    + ["d=[128, 128]", "d=[128,128]", 'e="two words"', "f=true", "g=null"],
)
def test_a_filter_finds_values_as_they_are_written_shown_or_equal(typed):
    wanted = {"a": 1.0, "b": 1e-5, "c": 131.4312345, "d": [128, 128], "e": "two words"}
    other = {"a": 2, "b": 1e-4, "c": 131.5, "d": [128], "e": "two", "f": False, "g": 0}
    runs = run("this", **wanted, f=True, g=None), run("that", **other)
    assert names(View(filter=typed), *runs) == ["this"]


def test_a_filter_tells_texts_and_truth_values_from_numbers():
    runs = run("number", a=1), run("text", a="1"), run("true", a=True)
    assert names(View(filter="a=1"), *runs) == ["number"]
    assert names(View(filter='a="1"'), *runs) == ["text"]
    assert names(View(filter="a=true"), *runs) == ["true"]


def test_all_parameters_that_differ_are_columns():
    runs = [run(f"r{n}", 0.5, **{f"p{k}": n for k in range(12)}, same=1) for n in range(2)]
    found = viewed(site(*runs), View())
    assert found.columns == ["m.json:score", *(f"p{k}" for k in range(12))]


def test_the_best_is_that_of_the_whole_list_not_of_a_part():
    runs = [run(f"r{n}", n / 10) for n in range(4)]
    found = viewed(site(*runs), View())
    marked = [row["cells"][0]["best"] for row in cells(found, found.runs[:2], set())]
    assert marked == [False, False]
    marked = [row["cells"][0]["best"] for row in cells(found, found.runs[2:], set())]
    assert marked == [False, True]


LUCKY = run("a0", 0.9, a=1, seed=0), run("a1", 0.1, a=1, seed=1)
STEADY = run("b0", 0.8, a=2, seed=0), run("b1", 0.8, a=2, seed=1)


def test_groups_come_by_their_means_and_the_best_mean_is_marked():
    view = View(sort="m.json:score", group=True)
    found = viewed(site(*LUCKY, *STEADY, run("none", a=3)), view)
    made = groups(found, view)
    assert [group.runs[0].name for group in made] == ["b0", "a0", "none"]
    rows = group_cells(found, made)
    assert [row["cells"][0] for row in rows] == [
        {"text": "0.8 ± 0 (2)", "best": True},
        {"text": "0.5 ± 0.56569 (2)", "best": False},
        {"text": "–", "best": False},
    ]


def test_groups_are_written_with_mean_deviation_and_count():
    found = viewed(site(*LUCKY, run("one", 0.25, a=3, seed=0)), View())
    text = to_csv(of_groups(groups(found, View()), ["a"], ["m.json:score"]))
    head, *rows = csv.reader(io.StringIO(text, newline=""))
    assert head == ["name", "runs", "a", "m.json:score", "m.json:score sd", "m.json:score n"]
    assert rows[0][:3] == ["a0", "2", "1"] and float(rows[0][4]) == pytest.approx(
        0.8 / math.sqrt(2)
    )
    assert rows[1] == ["one", "1", "3", "0.25", "", "1"]


@pytest.mark.parametrize(
    "offset, taken", [("7", 7), ("9" * 4301, 0), ("-1", 0), ("x", 0), ("²", 0)]
)
def test_an_offset_that_makes_no_sense_is_none(offset, taken):
    assert View.of(QueryParams({"offset": offset})).offset == taken
