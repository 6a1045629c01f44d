"""Runs beside each other: what differs, what is best, what repeats."""

from __future__ import annotations

import json
import math
import statistics
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.runs.compare import MetricRow, differing, outliers, table
from studio.runs.groups import Spread, grouped, spread
from studio.runs.metrics import best, direction, margins, names
from studio.runs.model import Run, from_json, to_json
from studio.runs.values import same, shown

NAN = math.nan


def run(name="a", params=None, **metrics):
    return Run(f"id of {name}", name, "experiment", params=params or {}, metrics=metrics)


def test_parameters_that_differ_are_named_those_that_a_run_lacks_too():
    runs = [
        run(params={"same": 1, "other": 1, "lacking": None, "list": [1, 2]}),
        run(params={"same": 1, "other": 2, "list": [1, 3]}),
    ]
    assert differing(runs) == ["other", "lacking", "list"]
    assert differing(runs[:1]) == differing([]) == []


@pytest.mark.parametrize(
    "one, other, equal",
    [
        (1, 1.0, True),
        (1, True, False),
        (0, False, False),
        (0, None, False),
        (1, "1", False),
        ("true", True, False),
        (None, "null", False),
        (0.1 + 0.2, 0.3, False),
        (2**53, 2**53 + 1, False),
        (NAN, NAN, True),
        ([1, 2], [1.0, 2.0], True),
        ([1, 2], [2, 1], False),
        ({"a": 1, "b": 2}, {"b": 2.0, "a": 1}, True),
        ("", None, False),
    ],
)
def test_values_are_equal_as_people_mean_it(one, other, equal):
    assert (same(one) == same(other)) == equal
    assert (differing([run(params={"x": one}), run(params={"x": other})]) == []) == equal


@given(st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_what_is_shown_tells_texts_from_other_values(value):
    text = shown(value)
    try:
        read = json.loads(text)
    except ValueError:
        read = text
    assert type(read) is type(value) and repr(read) == repr(value)


def test_a_value_that_one_run_of_three_has_stands_out_where_others_agree():
    assert outliers(["1", "1", "2"]) == {2}
    assert outliers(["1", "1", "2", None]) == {2, 3}
    assert outliers(["1", "1", "2", "2"]) == set()
    assert outliers(["1", "2"]) == outliers(["1"]) == outliers([]) == set()
    assert outliers(["1", "2", "3"]) == set()  # all differ: none stands out
    assert outliers(["1", "1", "2", "3"]) == {2, 3}
    assert outliers(["1", "1", "2", "3", "4"]) == set()  # most differ


def test_the_table_has_a_row_for_each_name_and_a_value_for_each_run():
    runs = [
        run("a", {"x": 1, "z": "t"}, score=0.5, loss=2.0),
        run("b", {"x": 1, "y": True, "z": "t"}, score=0.7),
        run("c", {"x": 2, "z": "t"}, other=1, loss=1.0),
    ]
    found = table(runs)
    assert [(row.name, row.values, row.differs, row.outliers) for row in found.params] == [
        ("x", ["1", "1", "2"], True, {2}),
        ("z", ["t", "t", "t"], False, set()),
        ("y", [None, "true", None], True, {1}),
    ]
    none = [None, None, None]
    assert found.metrics == [
        MetricRow("score", "maximize", [0.5, 0.7, None], none, frozenset({1})),
        MetricRow("loss", "minimize", [2.0, None, 1.0], none, frozenset({2})),
        MetricRow("other", "maximize", [None, None, 1], none, frozenset({2})),
    ]
    assert table(runs, {"score": "minimize"}).metrics[0].best == {0}


def test_runs_without_anything_in_common_or_nothing_at_all_make_a_table():
    found = table([run(a=1.0), run(params={"x": 1}), run(b=NAN)])
    assert [(row.name, row.best) for row in found.metrics] == [("a", {0}), ("b", set())]
    assert table([]).params == table([]).metrics == []
    assert [row.best for row in table([run(a=1.0)]).metrics] == [{0}]


def test_twenty_runs_are_compared_with_all_ties_marked():
    runs = [run(str(number), {"x": number % 2}, score=number % 5) for number in range(20)]
    found = table(runs)
    assert found.metrics[0].best == {4, 9, 14, 19}
    assert len(found.params[0].values) == 20 and found.params[0].outliers == set()


def test_the_best_are_all_at_a_tie_and_neither_missing_nor_nan():
    assert best([1, 3, None, 3, NAN], "maximize") == {1, 3}
    assert best([1, 3, None, 1.0, NAN], "minimize") == {0, 3}
    assert best([None, NAN], "maximize") == best([], "minimize") == set()
    assert best([-math.inf, NAN], "maximize") == {0}
    assert best([math.inf, 1], "maximize") == {0}


VALUES = st.lists(st.none() | st.floats() | st.sampled_from([0.0, 1.0]), max_size=6)


@given(VALUES, st.sampled_from(["maximize", "minimize"]))
def test_nothing_beats_the_best(values, way):
    found = best(values, way)
    numbers = [value for value in values if value is not None and value == value]
    assert bool(found) == bool(numbers)
    for place, value in enumerate(values):
        is_best = value is not None and not any(
            other > value if way == "maximize" else other < value for other in numbers
        )
        assert (place in found) == (is_best and value == value)


@pytest.mark.parametrize(
    "name, way",
    [
        ("m.json:val_loss", "minimize"),
        ("m.json:loss.total", "minimize"),
        ("m.json:logloss", "minimize"),
        ("m.json:deep.trainError", "minimize"),
        ("m.json:RMSE", "minimize"),
        ("m.json:fit_seconds", "minimize"),
        ("m.json:latency.p99", "minimize"),
        ("m.json:model.size", "minimize"),
        ("loss.json:accuracy", "maximize"),  # the file's name says nothing
        ("size/time.json:score", "maximize"),
        ("m.json:map@50", "maximize"),
        ("m.json:glossary", "maximize"),
        ("m.json:times_right", "maximize"),
        ("accuracy", "maximize"),
        ("error", "minimize"),
        ("m.json:samples_per_second", "maximize"),
        ("m.json:frames.per_second", "maximize"),
        ("m.json:seconds_per_step", "minimize"),
        ("m.json:loss.per_second", "minimize"),
    ],
)
def test_the_words_of_a_name_say_which_way_is_better(name, way):
    assert direction(name, {}) == way
    other = {"maximize": "minimize", "minimize": "maximize"}[way]
    assert direction(name, {name: other}) == other


def test_a_margin_belongs_to_the_metric_of_the_same_name_without_it():
    found = {
        "f.json:a.m@50": 0.6,
        "f.json:a.margin.m@50": 0.1,
        "f.json:m": 0.5,
        "f.json:margin.m": 0.2,
        "f.json:a.margin.alone": 0.3,
        "g.json:a.m@50": 0.7,
        "margin.json:x": 1,
    }
    assert margins(found) == {"f.json:a.m@50": 0.1, "f.json:m": 0.2}
    assert names(found) == [
        "f.json:a.m@50",
        "f.json:m",
        "f.json:a.margin.alone",
        "g.json:a.m@50",
        "margin.json:x",
    ]
    runs = [
        Run("1", "a", "branch", metrics=found),
        Run("2", "b", "branch", metrics={"f.json:m": 1}),
    ]
    row = {row.name: row for row in table(runs).metrics}["f.json:m"]
    assert (row.values, row.margins) == ([0.5, 1], [0.2, None])


def test_the_margins_of_this_project_belong_to_its_metrics():
    path = Path(__file__).parents[2] / "metrics" / "retrieval.json"
    found = json.loads(path.read_text())
    metrics = {
        f"r:{way}.{part}{name}": value
        for way in ("i2t", "t2i")
        for part, values in (("", found[way]), ("margin.", found[way]["margin"]))
        for name, value in values.items()
        if not isinstance(value, dict)
    }
    assert margins(metrics) == {
        f"r:{way}.{name}": value
        for way in ("i2t", "t2i")
        for name, value in found[way]["margin"].items()
    }
    assert not any("margin" in name for name in names(metrics))


def test_runs_that_differ_in_seeds_alone_are_one_group():
    runs = [
        run("a", {"x": 1, "seed": 0, "deep.seed": 0}, score=1.0, odd=NAN),
        run("b", {"x": 2, "seed": 0, "deep.seed": 0}, score=7.0),
        run("c", {"x": 1.0, "seed": 1, "deep.seed": 5, "f.yaml:seed": 2}, score=3.0, odd=1.0),
        run("d", {"x": 1, "seed": 2, "deep.seed": 0}),
    ]
    found = grouped(runs)
    assert [[each.name for each in group.runs] for group in found] == [["a", "c", "d"], ["b"]]
    assert [group.params for group in found] == [{"x": 1}, {"x": 2}]
    # scores 1 and 3: mean 2, deviation sqrt(((1 - 2)^2 + (3 - 2)^2) / (2 - 1))
    assert found[0].metrics["score"] == Spread(2.0, math.sqrt(2), 2)
    assert math.isnan(found[0].metrics["odd"].mean) and found[0].metrics["odd"].n == 2
    assert found[1].metrics == {"score": Spread(7.0, None, 1)}


def test_what_counts_as_a_seed_can_be_said():
    runs = [run("a", {"seed": 0, "fold": 0}), run("b", {"seed": 0, "fold": 1})]
    assert len(grouped(runs)) == 2
    assert len(grouped(runs, ["fold"])) == 1
    assert len(grouped([run("a", {"seeds": 0}), run("b", {"seeds": 1})])) == 2


def test_the_same_run_twice_is_no_repeat():
    twice = [
        run("main", {"x": 1, "seed": 0}, a=1.0, b=NAN),
        run("copy", {"x": 1, "seed": 0}, a=1.0, b=NAN),
    ]
    [group] = grouped([*twice, run("other", {"x": 1, "seed": 1}, a=2.0)])
    assert group.metrics["a"].n == 2 and [each.name for each in group.runs] == ["main", "other"]
    # the same seed with another score is a repeat: something else is random
    [group] = grouped([twice[0], run("again", {"x": 1, "seed": 0}, a=1.5, b=NAN)])
    assert group.metrics["a"].n == 2


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=8))
def test_mean_and_deviation_are_those_of_the_definition(values):
    found = spread(values)
    assert found.n == len(values)
    assert found.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    if len(values) == 1:
        assert found.deviation is None
    else:
        assert found.deviation == pytest.approx(statistics.stdev(values), abs=1e-6)
    assert spread([values[0]] * 3).mean == pytest.approx(values[0], rel=1e-15)


def test_a_value_that_is_not_finite_is_seen_in_the_mean():
    assert math.isnan(spread([1.0, NAN]).mean)
    assert spread([1.0, math.inf]).mean == math.inf
    assert math.isnan(spread([-math.inf, math.inf]).mean)


def test_values_whose_squares_are_too_large_have_a_deviation():
    assert spread([1e200, 1.0]).deviation == pytest.approx(1e200 / math.sqrt(2))


def test_a_run_is_written_and_read_without_a_change():
    metrics = {"a": math.inf, "b": 1, "c": 0.1 + 0.2}
    whole = Run(
        "1", "a, b", "commit", "2", "now", "failed", "why", {"x": [None, True]}, metrics, []
    )
    assert from_json(json.loads(json.dumps(to_json(whole)))) == whole
    assert whole.names == ["a", "b"]
