"""Each direction searches its own matrices; the summary has the scores asked for, in order."""

import numpy as np
import pytest

from agch.evaluation import CURVE, DIRECTIONS, EvaluateParams, curve, directions, summary

PARAMS = EvaluateParams(map_at=2, precision_at=(3, 1))
# Row 0 searches rows 1 to 4, of which only row 1 shares its label.
QUERY, DATABASE = np.array([0]), np.array([1, 2, 3, 4])
LABEL = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], np.uint8)
CODES = {
    "image": np.array([[0b00000000], [0b11000000], [0b10000000], [0], [0b11100000]], np.uint8),
    "text": np.array([[0b11110000], [0], [0b10000000], [0b11000000], [0b11100000]], np.uint8),
}


def test_each_direction_searches_its_own_matrix():
    found = directions(CODES, LABEL, QUERY, DATABASE, PARAMS)
    # distances of rows 1 to 4 from the image query: text 0 1 2 3, image 2 1 0 3;
    # from the text query: image 2 3 4 1, text 4 3 2 1. So row 1 has rank 1, 3, 2 and 4.
    assert {name: scores.stable["map"] for name, scores in found.items()} == {
        "i2t": 1,
        "t2i": pytest.approx(1 / 2),
        "i2i": pytest.approx(1 / 3),
        "t2t": pytest.approx(1 / 4),
    }
    assert list(found) == list(DIRECTIONS)


def test_only_the_named_directions_are_evaluated():
    assert list(directions(CODES, LABEL, QUERY, DATABASE, PARAMS, ("t2i", "i2t"))) == ["t2i", "i2t"]


def test_rows_outside_query_and_database_play_no_part():
    more = {name: np.vstack([codes, codes[:1]]) for name, codes in CODES.items()}
    found = directions(more, np.vstack([LABEL, LABEL[:1]]), QUERY, DATABASE, PARAMS)
    for name, scores in directions(CODES, LABEL, QUERY, DATABASE, PARAMS).items():
        assert found[name].stable == scores.stable


def test_ties_are_broken_by_the_order_of_the_database():
    codes = {name: np.zeros((5, 1), np.uint8) for name in CODES}
    for database, rank in (([1, 2, 3, 4], 1), ([4, 3, 2, 1], 4)):
        found = directions(codes, LABEL, QUERY, np.array(database), PARAMS)["i2t"]
        assert found.stable["map"] == pytest.approx(1 / rank)
        assert found.expected["map"] == pytest.approx((1 + 1 / 2 + 1 / 3 + 1 / 4) / 4)


def test_the_points_of_the_curve_are_scored_too():
    rows = 25
    codes = {name: np.zeros((rows + 1, 1), np.uint8) for name in CODES}
    label = np.ones((rows + 1, 1), np.uint8)
    found = directions(codes, label, QUERY, np.arange(1, rows + 1), PARAMS)["i2t"]
    assert set(found.expected) == {"map@2", "map", "p@1", "p@3", "p@10", "p@20"}


@pytest.mark.parametrize(
    ("database", "cutoffs"),
    [
        (0, []),
        (1, [1]),
        (19, [1, 10]),
        (20, [1, 10, 20]),
        (700, [1, 10, 20, 50, 100, 200, 400, 600]),
    ],
)
def test_the_curve_ends_where_the_database_does(database, cutoffs):
    assert curve(database) == cutoffs


def test_the_curve_rises_to_5000():
    assert curve(1_000_000) == list(CURVE) == sorted(set(CURVE))
    assert CURVE[-1] == 5000


def test_the_summary_has_the_scores_asked_for_in_order():
    scores = summary(directions(CODES, LABEL, QUERY, DATABASE, PARAMS), PARAMS)["t2i"]
    assert list(scores) == ["map@2", "map", "p@3", "p@1", "expected"]
    assert list(scores["expected"]) == ["map@2", "map", "p@3", "p@1"]
    # row 1 at rank 2, no ties: both rules agree
    expected = {"map@2": 1 / 2, "map": 1 / 2, "p@3": 1 / 3, "p@1": 0}
    assert scores["expected"] == pytest.approx(expected)
    assert {name: scores[name] for name in expected} == pytest.approx(expected)


def test_the_summary_tells_the_maps_alone_within_a_modality():
    told = summary(directions(CODES, LABEL, QUERY, DATABASE, PARAMS), PARAMS)
    assert list(told) == list(DIRECTIONS)
    assert list(told["i2i"]) == list(told["t2t"]) == ["map@2", "map"]


def test_the_summary_keeps_both_rules_for_ties_apart():
    codes = {name: np.zeros((5, 1), np.uint8) for name in CODES}
    scores = summary(directions(codes, LABEL, QUERY, DATABASE, PARAMS), PARAMS)["i2t"]
    assert scores["p@1"] == 1
    assert scores["expected"]["p@1"] == pytest.approx(1 / 4)
