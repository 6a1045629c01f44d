"""Each direction searches its own matrices; metrics files hold the scores asked for, in order."""

import numpy as np
import pytest

from agch.bootstrap import margin
from agch.cosine import cosine_map
from agch.evaluation import (
    ACROSS,
    CURVE,
    DIRECTIONS,
    EvaluateParams,
    cosine,
    curve,
    directions,
    in_a_line,
    per_query,
    summary,
)
from agch.metrics import evaluate
from agch.schema import ParamsError, parse

METRICS = ("map@2", "map", "p@3", "p@1", "p@radius2")
PARAMS = EvaluateParams(metrics=METRICS, seed=0)
# Row 0 searches rows 1 to 4, of which only row 1 shares its label.
QUERY, DATABASE = np.array([0]), np.array([1, 2, 3, 4])
LABEL = np.array([[1, 0], [1, 0], [0, 1], [0, 1], [0, 1]], np.uint8)
CODES = {
    "image": np.array([[0b00000000], [0b11000000], [0b10000000], [0], [0b11100000]], np.uint8),
    "text": np.array([[0b11110000], [0], [0b10000000], [0b11000000], [0b11100000]], np.uint8),
}
TIED = {name: np.zeros((5, 1), np.uint8) for name in CODES}


def searched(codes=CODES, database=DATABASE, **others):
    return directions(codes, LABEL, QUERY, database, PARAMS, **others)


def drawn(queries=30, rows=50, bits=8):
    """Random codes; labels and rows of both sides; what is found."""
    rng = np.random.default_rng(0)
    n = queries + rows
    codes = {name: rng.integers(0, 256, (n, bits // 8), dtype=np.uint8) for name in CODES}
    label = (rng.random((n, 3)) < 0.4).astype(np.uint8)
    order = rng.permutation(n)
    sides = label, order[:queries], order[queries:]
    return codes, sides, directions(codes, *sides, PARAMS)


def test_each_direction_searches_its_own_matrix():
    # distances of rows 1 to 4 from the image query: text 0 1 2 3, image 2 1 0 3;
    # from the text query: image 2 3 4 1, text 4 3 2 1. So row 1 has rank 1, 3, 2 and 4.
    found = {name: scores.stable["map"].tolist() for name, scores in searched().items()}
    assert found == {
        "i2t": [1],
        "t2i": [pytest.approx(1 / 2)],
        "i2i": [pytest.approx(1 / 3)],
        "t2t": [pytest.approx(1 / 4)],
    }
    assert list(found) == list(DIRECTIONS)


def test_only_the_named_directions_are_evaluated():
    assert list(searched(names=("t2i", "i2t"))) == ["t2i", "i2t"]


def test_every_direction_is_evaluated_on_the_device_that_is_named(monkeypatch):
    asked = []

    def spied(*given, device, **options):
        asked.append(device)
        return evaluate(*given, **options)

    monkeypatch.setattr("agch.evaluation.evaluate", spied)
    searched()
    searched(device="cuda", names=ACROSS)
    assert asked == ["cpu"] * 4 + ["cuda"] * 2


def test_rows_outside_query_and_database_play_no_part():
    more = {name: np.vstack([codes, codes[:1]]) for name, codes in CODES.items()}
    found = directions(more, np.vstack([LABEL, LABEL[:1]]), QUERY, DATABASE, PARAMS)
    for name, scores in searched().items():
        assert found[name].means("stable") == scores.means("stable")
        assert found[name].counts.total.tolist() == scores.counts.total.tolist()


def test_it_does_not_matter_where_the_rows_of_a_side_stand():
    codes, (label, query, database), found = drawn()
    order = np.concatenate([query, database])
    moved = {name: rows[order] for name, rows in codes.items()}
    sides = label[order], np.arange(30), np.arange(30, 80)
    for name, scores in directions(moved, *sides, PARAMS).items():
        for metric in METRICS:
            assert scores.stable[metric].tolist() == found[name].stable[metric].tolist()


def test_ties_are_broken_by_the_order_of_the_database():
    for database, rank in (([1, 2, 3, 4], 1), ([4, 3, 2, 1], 4)):
        found = searched(TIED, np.array(database))["i2t"]
        assert found.stable["map"] == pytest.approx([1 / rank])
        assert found.expected["map"] == pytest.approx([(1 + 1 / 2 + 1 / 3 + 1 / 4) / 4])


@pytest.mark.parametrize(
    ("name", "cutoffs"),
    [
        ("i2t", (1, 2, 3, 10, 20)),
        ("t2i", (1, 2, 3, 10, 20)),
        ("i2i", (1, 2, 3)),
        ("t2t", (1, 2, 3)),
    ],
)
def test_the_points_of_the_curve_are_scored_across_modalities_alone(name, cutoffs):
    rows = 25
    codes = {modality: np.zeros((rows + 1, 1), np.uint8) for modality in CODES}
    label = np.ones((rows + 1, 1), np.uint8)
    found = directions(codes, label, QUERY, np.arange(1, rows + 1), PARAMS)[name]
    assert {int(k[4:]) for k in found.expected if k.startswith("map@")} == set(cutoffs)
    assert set(METRICS) <= set(found.stable)


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
    # row 1 at rank 2, no ties: both rules agree; within radius 2 lie rows 1 and 4
    scores = summary(searched(), PARAMS)["t2i"]
    expected = {"map@2": 1 / 2, "map": 1 / 2, "p@3": 1 / 3, "p@1": 0, "p@radius2": 1 / 2}
    assert list(scores) == [*METRICS, "expected", "margin"]
    assert {name: scores[name] for name in METRICS} == pytest.approx(expected)
    assert list(scores["margin"]) == list(METRICS)
    # no order of ties changes p@radius2, which is told once
    assert list(scores["expected"]) == ["map@2", "map", "p@3", "p@1"]
    del expected["p@radius2"]
    assert scores["expected"] == pytest.approx(expected)


def test_the_summary_tells_the_first_two_within_a_modality():
    told = summary(searched(), PARAMS)
    assert list(told) == list(DIRECTIONS)
    assert told["i2i"] == pytest.approx({"map@2": 0, "map": 1 / 3})
    assert told["t2t"] == pytest.approx({"map@2": 0, "map": 1 / 4})


def test_the_summary_keeps_both_rules_for_ties_apart():
    scores = summary(searched(TIED), PARAMS)["i2t"]
    assert scores["p@1"] == 1
    assert scores["expected"]["p@1"] == pytest.approx(1 / 4)


def test_the_margin_is_that_of_the_stable_scores_under_the_seed_asked_for():
    *_, found = drawn()
    for seed in (0, 3):
        told = summary(found, EvaluateParams(metrics=METRICS, seed=seed))
        for name in METRICS:
            assert told["t2i"]["margin"][name] == margin(found["t2i"].stable[name], seed) > 0
    stable, expected = (getattr(found["t2i"], rule)["map"] for rule in ("stable", "expected"))
    assert margin(stable, 0) != margin(expected, 0)


def test_every_query_has_its_stable_scores_in_columns_named_by_direction_and_metric():
    *_, found = drawn()
    columns = per_query(found, PARAMS)
    assert list(columns) == [f"{name} {metric}" for name in ("i2t", "t2i") for metric in METRICS]
    for name in ACROSS:
        assert columns[f"{name} map"] == found[name].stable["map"].tolist()
    assert {len(column) for column in columns.values()} == {30}
    assert columns["i2t map"] != columns["t2i map"]


def test_a_line_tells_the_first_metric_across_the_modalities():
    # map@2 of row 1 at rank 1 and at rank 2
    assert in_a_line(searched(), PARAMS) == "map@2 i2t 1.000, t2i 0.500"
    # all tied, row 1 is the last: stable 1/4
    last = searched(TIED, DATABASE[::-1])
    params = EvaluateParams(metrics=("map", "p@1"), seed=0)
    assert in_a_line(last, params) == "map i2t 0.250, t2i 0.250"


def test_cosine_takes_the_outputs_and_labels_of_each_side_and_the_maps_asked_for():
    _, sides, _ = drawn()
    label, query, database = sides
    rng = np.random.default_rng(1)
    outputs = {name: rng.standard_normal((80, 16)).astype(np.float32) for name in CODES}
    params = EvaluateParams(metrics=("p@7", "map@20", "p@radius2", "map@3", "ndcg@5"), seed=0)
    found = cosine(outputs, *sides, params)
    assert list(found) == ["i2t", "t2i"]
    for name, (asked, answering) in {"i2t": ("image", "text"), "t2i": ("text", "image")}.items():
        assert list(found[name]) == ["map@3", "map@20", "map"]
        sides_outputs = outputs[asked][query], outputs[answering][database]
        alone = cosine_map(*sides_outputs, label[query], label[database], [3, 20])
        assert found[name] == alone
    assert found["i2t"] != found["t2i"]


@pytest.mark.parametrize(
    "name", ["map", "map@50", "p@1", "recall@10", "ndcg@100", "p@radius2", "map@5000"]
)
def test_metrics_of_evaluate_are_known_by_their_names(name):
    params = EvaluateParams(metrics=(name,), seed=0)
    tail = name.partition("@")[2]
    assert params.at == ([int(tail)] if tail.isdigit() else [])
    # and what is known is found
    found = directions(CODES, LABEL, QUERY, DATABASE, params, ["i2t"])
    assert name in summary(found, params)["i2t"]


@pytest.mark.parametrize(
    "name",
    ["p", "map@0", "map@05", "map@", "map@-1", "map@1.5", "p@radius3", "MAP", "mrr", "map@50 "]
    + ["xmap", "recall", "ndcg", "map@radius2", ""],
)
def test_unknown_metrics_are_an_error_that_lists_the_known_ones(name):
    with pytest.raises(ParamsError) as error:
        parse(EvaluateParams, {"metrics": ["map", name], "seed": 0}, "evaluate")
    assert f"evaluate.metrics: unknown metric '{name}'; known are map, map@k, p@k" in str(
        error.value
    )


def test_at_least_one_metric_must_be_named():
    with pytest.raises(ParamsError, match="evaluate.metrics: name at least one; known are map"):
        parse(EvaluateParams, {"metrics": [], "seed": 0}, "evaluate")


def test_the_cut_offs_of_the_metrics_come_once_each_ascending():
    names = ["map@50", "map", "p@10", "p@50", "recall@2", "ndcg@100", "p@radius2"]
    assert EvaluateParams(metrics=tuple(names), seed=0).at == [2, 10, 50, 100]
