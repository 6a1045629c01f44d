"""The space: what is written is what is searched, and what cannot be is refused by name."""

from __future__ import annotations

import json

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from studio.engines.random import RandomEngine
from studio.errors import StudioError
from studio.space import parse

WRITTEN = {
    "a": {"low": 1e-4, "high": 0.1, "log": True},
    "n": {"low": 1, "high": 9},
    "k": ["x", "y"],
    "s": {"low": 0.0, "high": 1.0, "step": 0.25, "when": {"k": "y"}},
    "b": [True, False],
    "f": 3,
}


def test_what_is_written_comes_back_through_json_and_yaml():
    space = parse(WRITTEN)
    for copy in (
        json.loads(json.dumps(space.described())),
        yaml.safe_load(yaml.safe_dump(space.described())),
    ):
        assert parse(copy).params == space.params
    assert space.searched == ["a", "n", "k", "b", "s"]


def test_whole_ends_make_whole_numbers_and_yaml_texts_are_numbers():
    space = parse(
        {
            "n": {"low": 1, "high": 9},
            "x": {"low": 1, "high": 9.0},
            "e": yaml.safe_load("{low: 1e-5, high: 1e-3}"),
        }
    )
    assert [space.params[name].whole for name in "nxe"] == [True, False, False]
    assert space.params["e"].low == 1e-5


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ({"a": {"low": 2, "high": 1}}, "a: low must be below high; got 2 and 1"),
        ({"a": {"low": 0, "high": 1, "log": True}}, "a: a logarithmic range starts above 0"),
        ({"a": {"low": 0, "high": 1, "step": 2}}, "a: step must fit"),
        ({"a": {"low": "x", "high": 1}}, "a: low must be a number; got 'x'"),
        ({"a": {"low": float("nan"), "high": 1}}, "a: low must be a number"),
        ({"a": {"low": True, "high": 1}}, "a: low must be a number; got True"),
        ({"a": {"low": 0}}, "a: high must be a number; got None"),
        ({"a": {"lo": 0, "high": 1}}, "a: unknown key 'lo'; known: choices, high"),
        ({"a": []}, "a: choices are"),
        ({"a": {"choices": [1], "low": 2}}, "a: either choices or a range"),
        (
            {"a": {"choices": [1, 2], "when": {"z": 1}}},
            "a: depends on z, which is not in the space",
        ),
        (
            {
                "a": {"choices": [1, 2], "when": {"b": 1}},
                "b": {"choices": [1, 2], "when": {"a": 1}},
            },
            "wait for each other: a, b",
        ),
    ],
)
def test_what_cannot_be_searched_is_refused_by_name(written, message):
    with pytest.raises(StudioError, match=message):
        parse(written)


def test_all_problems_are_told_at_once():
    with pytest.raises(StudioError, match=r"(?s)a: .*\n  b: "):
        parse({"a": {"low": 2, "high": 1}, "b": {"lo": 1}})


def test_changes_narrow_add_and_drop():
    space = parse(WRITTEN).changed({"n": 4, "f": None, "new": [1, 2], "a": {"low": 1, "high": 2}})
    assert space.searched == ["a", "k", "b", "new", "s"]
    assert space.params["n"].fixed and "f" not in space.params and space.params["a"].high == 2
    with pytest.raises(StudioError, match="s: depends on k"):
        parse(WRITTEN).changed({"k": None})


def test_a_trial_is_inside_if_every_value_could_have_been_asked_for():
    space = parse(WRITTEN)
    inside = {"a": 0.01, "n": 3, "k": "y", "b": True, "s": 0.5, "f": 3}
    assert space.holds(inside)
    assert space.holds({k: v for k, v in inside.items() if k != "s"} | {"k": "x"})
    for change in (
        {"a": 1.0},
        {"n": 3.5},
        {"n": 10},
        {"k": "z"},
        {"s": 0.3},
        {"f": 4},
        {"b": 1},
        {"k": "x"},
    ):
        assert not space.holds(inside | change)
    assert not space.holds({k: v for k, v in inside.items() if k != "a"})


NUMBERS = st.floats(1e-6, 1e6)


@given(
    st.tuples(NUMBERS, NUMBERS).filter(lambda ends: ends[0] < ends[1]),
    st.booleans(),
    st.tuples(st.integers(1, 1000), st.integers(1, 1000)).filter(lambda ends: ends[0] < ends[1]),
    st.integers(0, 1000),
)
def test_whatever_is_drawn_lies_inside(ends, log, whole, number):
    space = parse(
        {
            "x": {"low": ends[0], "high": ends[1], "log": log},
            "n": {"low": whole[0], "high": whole[1], "log": log},
            "s": {"low": whole[0], "high": whole[1], "step": 1},
            "k": {"choices": [True, "a", 2], "when": {"n": whole[0]}},
        }
    )
    assert space.holds(RandomEngine(space, ["maximize"]).ask(number))
