"""Objectives and trials: where a score is read, which way is better, which trials nobody beats."""

from __future__ import annotations

import json
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.objective import Objective, parse_objective
from studio.trials import Trial, best, complete

METRICS = {
    "deep": {"map@50": 0.25, "p@radius2": 0.75, "whole": 3, "none": None, "flag": True},
    "loss": 1e-05,
    "text": "0.5",
    "curve": [0.1, 0.2],
}


def score(written, metrics=METRICS):
    """The objective's value where all files but one are missing."""

    def read(path):
        if path != "metrics/out.json":
            raise FileNotFoundError(f"no {path}")
        return metrics if isinstance(metrics, str) else json.dumps(metrics)

    return parse_objective(written).score(read)


def test_what_is_written_is_a_file_its_numbers_and_a_direction():
    assert parse_objective("metrics/out.json:deep.map@50") == Objective(
        "metrics/out.json", ("deep.map@50",), "maximize"
    )
    assert parse_objective("min:a.json:x,y.z") == Objective("a.json", ("x", "y.z"), "minimize")


@pytest.mark.parametrize(
    "written",
    ["", "a.json", "a.json:", ":x", "min:a.json", "min::x", "min:", "a:x,,y", "a:,", "a:x,"],
)
def test_what_cannot_be_read_is_refused_with_what_is_expected(written):
    with pytest.raises(StudioError, match=f"cannot read objective '{written}'; expected FILE:KEY"):
        parse_objective(written)


def test_a_score_is_a_number_of_the_file_or_the_mean_of_several():
    assert score("metrics/out.json:deep.map@50") == 0.25
    assert score("min:metrics/out.json:loss") == 1e-05, "the direction does not change it"
    assert score("metrics/out.json:deep.map@50,deep.p@radius2") == 0.5
    assert score("metrics/out.json:deep.map@50,deep.p@radius2,deep.whole") == 4 / 3
    assert type(score("metrics/out.json:deep.whole")) is float


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=6))
def test_the_mean_is_the_mean(numbers):
    keys = ",".join(f"n{k}" for k in range(len(numbers)))
    metrics = {f"n{k}": number for k, number in enumerate(numbers)}
    assert score(f"metrics/out.json:{keys}", metrics) == pytest.approx(
        statistics.fmean(numbers), rel=1e-12, abs=1e-9
    )


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("map", "has no 'map': at 'map' there is deep, loss, text, curve"),
        ("deep.map", "has no 'deep.map': at 'map' there is map@50, p@radius2, whole"),
        ("loss.total", "has no 'loss.total': at 'total' there is no more"),
        ("curve.0", "has no 'curve.0': at '0' there is no more"),
        ("deep", "'deep' is no number but {'map@50'"),
        ("text", "'text' is no number but '0.5'"),
        ("deep.none", "'deep.none' is no number but None"),
        ("deep.flag", "'deep.flag' is no number but True"),
        ("curve", r"'curve' is no number but \[0.1"),
        ("loss,deep.nothing", "has no 'deep.nothing'"),
    ],
)
def test_a_number_that_is_not_there_is_told_with_what_is(key, message):
    with pytest.raises(StudioError, match=f"metrics/out.json:? {message}"):
        score(f"metrics/out.json:{key}")


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_is_not_finite_is_no_score(number):
    metrics = {"good": 1.0, "bad": number}
    with pytest.raises(StudioError, match=f"'bad' is {number}$"):
        score("metrics/out.json:good,bad", metrics)
    assert score("metrics/out.json:good", metrics) == 1.0


@pytest.mark.parametrize("text", ["", "{", '{"loss": }', "loss: 1"])
def test_a_file_that_is_missing_or_no_json_is_told_by_its_name(text):
    with pytest.raises(StudioError, match="no metrics in metrics/out.json: "):
        score("metrics/out.json:loss", text)
    with pytest.raises(StudioError, match="no metrics in other.json: no other.json"):
        score("other.json:loss")


def trial(number, *scores, state="complete"):
    return Trial(number, {}, state, scores)


def test_only_complete_trials_have_scores():
    states = ["running", "complete", "pruned", "failed", "cancelled", "complete"]
    trials = [Trial(n, {}, s, (1.0,) if s == "complete" else ()) for n, s in enumerate(states)]
    assert [each.number for each in complete(trials)] == [1, 5]
    assert best(trials, ["maximize"]) == [trials[1], trials[5]]
    assert complete([]) == best([], ["maximize"]) == best(trials[:1], ["minimize"]) == []


def test_the_front_is_what_no_other_trial_beats():
    # Score against cost: 1 and 3 are the ends, 4 lies between, 0 and 2 are beaten, 5 equals 4.
    trials = [
        trial(0, 0.5, 9.0),
        trial(1, 0.9, 9.0),
        trial(2, 0.1, 2.0),
        trial(3, 0.1, 1.0),
        trial(4, 0.5, 4.0),
        trial(5, 0.5, 4.0),
    ]
    front = [trials[1], trials[3], trials[4], trials[5]]
    assert best(trials, ["maximize", "minimize"]) == front
    assert best(reversed(trials), ["maximize", "minimize"]) == front, "first made first"
    assert best(trials, ["minimize", "minimize"]) == [trials[3]]
    assert best(trials, ["maximize", "maximize"]) == [trials[1]]
