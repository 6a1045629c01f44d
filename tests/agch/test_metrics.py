"""Every metric against numbers done by hand, plain loops, and all orders of tied items."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score

import agch
from agch.metrics import (
    average_precision,
    bit_balance,
    evaluate,
    expected_average_precision,
    expected_precision_at,
    precision_at,
    precision_recall_by_radius,
    unique_codes,
)
from agch.ranking import histogram, pack, unpack


def ranked(*relevant):
    """Relevance of one query's ranking."""
    return np.array([relevant], dtype=bool)


def counts(distance, relevant):
    """Histogram of one query with codes of 8 bits."""
    return histogram(np.array([distance], np.uint16), np.array([relevant], bool), bits=8)


def loop_ap(relevant, k=None):
    """AP by its definition: mean of precision at the relevant ranks found in the first k."""
    precisions, hits = [], 0
    for rank, hit in enumerate(relevant[:k], start=1):
        hits += hit
        if hit:
            precisions.append(hits / rank)
    return sum(precisions) / len(precisions) if precisions else 0.0


def loop_precision(relevant, k):
    return sum(relevant[:k]) / k


def tied_orders(distance, relevant):
    """Relevance in every order that sorts by distance, tied items permuted in all ways."""
    groups = [
        itertools.permutations([hit for d, hit in zip(distance, relevant) if d == value])
        for value in sorted(set(distance))
    ]
    for order in itertools.product(*groups):
        yield list(itertools.chain.from_iterable(order))


def stable_order(distance, relevant):
    order = sorted(range(len(distance)), key=lambda i: (distance[i], i))
    return [relevant[i] for i in order]


def retrieval(seed, queries=6, rows=30, bits=8, classes=4):
    """Random codes and labels; the first query has no label, so nothing relevant."""
    rng = np.random.default_rng(seed)
    codes = [rng.integers(0, 256, (n, bits // 8), dtype=np.uint8) for n in (queries, rows)]
    labels = [(rng.random((n, classes)) < 0.3).astype(np.uint8) for n in (queries, rows)]
    labels[0][0] = 0
    labels[0][1, 0] = labels[1][0, 0] = 1
    return *codes, *labels


tied_items = st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6)


def test_ap_is_the_mean_precision_at_the_relevant_items_found():
    # relevant at ranks 1 and 3: (1/1 + 2/3) / 2
    assert average_precision(ranked(1, 0, 1), 3) == pytest.approx([0.8333333333333333])


def test_ap_at_k_divides_by_the_relevant_items_found_not_by_all():
    # four relevant items, one of them among the first two, at rank 2: (1/2) / 1
    assert average_precision(ranked(0, 1, 1, 1, 1), 2) == pytest.approx([0.5])


def test_ap_of_the_whole_ranking_divides_by_all_relevant_items():
    # (1/2 + 2/4) / 2
    assert average_precision(ranked(0, 1, 0, 1)) == pytest.approx([0.5])


def test_precision_divides_by_k_also_beyond_the_database():
    assert precision_at(ranked(1, 0, 1), 2) == pytest.approx([0.5])
    assert precision_at(ranked(1, 0, 1), 10) == pytest.approx([0.2])
    assert expected_precision_at(counts([0, 0, 1], [1, 0, 1]), 10) == pytest.approx([0.2])


def test_ties_share_the_precision_of_their_block():
    # one relevant and one irrelevant item at distance 0: either order, so (1/1 + 1/2) / 2
    assert expected_average_precision(counts([0, 0], [1, 0])) == pytest.approx([0.75])


def test_expected_ap_at_k_averages_over_who_comes_inside():
    # one relevant and one irrelevant tie for the one place: AP@1 is 1 or 0
    assert expected_average_precision(counts([3, 3], [0, 1]), 1) == pytest.approx([0.5])


def test_expected_precision_gives_each_place_the_share_of_its_ties():
    # rank 1 is relevant; ranks 2 and 3 are taken from three ties, two of them relevant
    assert expected_precision_at(counts([0, 1, 1, 1], [1, 1, 0, 1]), 3) == pytest.approx(
        [(1 + 2 * 2 / 3) / 3]
    )


def test_a_query_without_relevant_items_scores_zero():
    nothing = counts([0, 0, 1], [0, 0, 0])
    for k in (1, 2, 3, 9):
        assert average_precision(ranked(0, 0, 0), k).tolist() == [0]
        assert precision_at(ranked(0, 0, 0), k).tolist() == [0]
        assert expected_average_precision(nothing, k).tolist() == [0]
        assert expected_precision_at(nothing, k).tolist() == [0]
    assert expected_average_precision(nothing).tolist() == [0]


def test_one_relevant_item_alone_scores_one():
    assert average_precision(ranked(1)).tolist() == [1]
    assert expected_average_precision(counts([4], [1])).tolist() == [1]
    assert expected_average_precision(counts([4], [1]), 50).tolist() == [1]


@settings(max_examples=200)
@given(tied_items, st.integers(1, 8))
def test_expected_values_are_the_mean_over_all_orders_of_ties(items, k):
    distance, relevant = zip(*items)
    orders = list(tied_orders(distance, relevant))
    table = counts(distance, relevant)
    mean = np.mean([[loop_ap(o), loop_ap(o, k), loop_precision(o, k)] for o in orders], axis=0)
    assert expected_average_precision(table) == pytest.approx(mean[:1], abs=1e-12)
    assert expected_average_precision(table, k) == pytest.approx(mean[1:2], abs=1e-12)
    assert expected_precision_at(table, k) == pytest.approx(mean[2:], abs=1e-12)


@given(tied_items, st.integers(1, 8))
def test_stable_values_lie_between_the_worst_and_the_best_order_of_ties(items, k):
    distance, relevant = zip(*items)
    orders = list(tied_orders(distance, relevant))
    stable = ranked(*stable_order(distance, relevant))
    for metric, loop in ((average_precision, loop_ap), (precision_at, loop_precision)):
        values = [loop(order, k) for order in orders]
        assert min(values) - 1e-12 <= metric(stable, k)[0] <= max(values) + 1e-12


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.randoms(use_true_random=False))
def test_without_ties_both_rules_agree_with_sklearn(relevant, random):
    distance = list(range(len(relevant)))
    random.shuffle(distance)
    table = histogram(np.array([distance], np.uint16), np.array([relevant]), bits=64)
    stable = ranked(*stable_order(distance, relevant))
    for k in (1, 5, 50, None):
        expected = expected_average_precision(table, k)
        assert average_precision(stable, k) == pytest.approx(expected, abs=1e-12)
    if any(relevant):
        reference = average_precision_score(relevant, [-d for d in distance])
        assert average_precision(stable) == pytest.approx([reference])


def test_expected_values_stay_exact_for_a_large_block_of_ties():
    # all of n items tie, R of them relevant: the count h inside the first k is hypergeometric,
    # and over the k ranks E[sum of precisions | h] follows rank by rank
    n, relevant, k = 18015, 9007, 50
    score = 0.0
    for h in range(1, k + 1):
        chance = math.comb(relevant, h) * math.comb(n - relevant, k - h) / math.comb(n, k)
        ranks = range(1, k + 1)
        score += chance / h * sum(h / k * (1 + (i - 1) * (h - 1) / (k - 1)) / i for i in ranks)
    table = counts([0] * n, [1] * relevant + [0] * (n - relevant))
    assert expected_average_precision(table, k) == pytest.approx([score], rel=1e-10)
    assert expected_precision_at(table, k) == pytest.approx([relevant / n])


def test_a_cut_that_ends_a_block_of_ties_leaves_nothing_to_chance():
    table = counts([0, 0, 5, 5], [1, 1, 0, 1])
    assert expected_average_precision(table, 2) == pytest.approx([1])
    assert expected_average_precision(table, 4) == pytest.approx(expected_average_precision(table))


def test_queries_of_different_shape_are_scored_independently():
    query, database, query_labels, database_labels = retrieval(3)
    whole = evaluate(query, database, query_labels, database_labels, map_at=7)
    single = [
        evaluate(query[i : i + 1], database, query_labels[i : i + 1], database_labels, map_at=7)
        for i in range(1, len(query))
        if query_labels[i].any()
    ]
    for rule in ("stable", "expected"):
        for name, score in getattr(whole, rule).items():
            total = sum(getattr(one, rule)[name] for one in single)
            assert score == pytest.approx(total / len(query))  # unlabelled queries score 0


@pytest.mark.parametrize("seed", range(5))
def test_evaluate_equals_plain_loops(seed):
    query, database, query_labels, database_labels = retrieval(seed)
    distances = [[int((a != b).sum()) for b in unpack(database)] for a in unpack(query)]
    relevants = [[bool((a & b).any()) for b in database_labels] for a in query_labels]
    rankings = [stable_order(*pair) for pair in zip(distances, relevants)]
    result = evaluate(query, database, query_labels, database_labels, map_at=5, precision_at=(3,))
    assert result.stable == pytest.approx(
        {
            "map@5": np.mean([loop_ap(r, 5) for r in rankings]),
            "map": np.mean([loop_ap(r) for r in rankings]),
            "p@3": np.mean([loop_precision(r, 3) for r in rankings]),
        }
    )
    tables = [counts(*pair) for pair in zip(distances, relevants)]
    assert result.expected == pytest.approx(
        {
            "map@5": np.mean([expected_average_precision(table, 5) for table in tables]),
            "map": np.mean([expected_average_precision(table) for table in tables]),
            "p@3": np.mean([expected_precision_at(table, 3) for table in tables]),
        }
    )


def test_scores_of_both_rules_come_under_the_same_known_names():
    found = evaluate(*retrieval(0))
    assert list(found.stable) == ["map@50", "map", "p@1", "p@10", "p@50", "p@100"]
    assert list(found.expected) == list(found.stable)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25)
def test_no_order_of_the_database_changes_an_expected_value_or_the_curve(seed):
    query, database, query_labels, database_labels = retrieval(seed)
    order = np.random.default_rng(seed).permutation(len(database))
    before = evaluate(query, database, query_labels, database_labels)
    after = evaluate(query, database[order], query_labels, database_labels[order])
    assert before.expected == after.expected
    np.testing.assert_array_equal(before.radius_precision, after.radius_precision)
    np.testing.assert_array_equal(before.radius_recall, after.radius_recall)


@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
@settings(max_examples=25)
def test_flipping_the_same_bits_of_all_codes_changes_nothing(seed, flips):
    query, database, query_labels, database_labels = retrieval(seed)
    mask = np.uint8(flips)
    before = evaluate(query, database, query_labels, database_labels)
    after = evaluate(query ^ mask, database ^ mask, query_labels, database_labels)
    assert (before.stable, before.expected) == (after.stable, after.expected)


@pytest.mark.parametrize("block", [1, 4, 6])
def test_the_block_size_changes_no_score(block):
    whole, parts = evaluate(*retrieval(1)), evaluate(*retrieval(1), block=block)
    assert (parts.stable, parts.expected) == (whole.stable, whole.expected)


def test_constant_codes_tie_everything_and_expect_the_share_of_relevant_items():
    query, database = np.zeros((1, 2), np.uint8), np.zeros((10, 2), np.uint8)
    query_labels, database_labels = np.ones((1, 1), np.uint8), np.zeros((10, 1), np.uint8)
    database_labels[:4] = 1
    result = evaluate(query, database, query_labels, database_labels, map_at=4, precision_at=(1, 5))
    assert result.stable == {"map@4": 1, "map": 1, "p@1": 1, "p@5": 0.8}
    assert result.expected["p@1"] == result.expected["p@5"] == pytest.approx(0.4)


def test_recall_counts_all_queries_and_precision_those_that_retrieve():
    # query 0: relevant item at distance 0, irrelevant at 2; query 1: irrelevant at 1, relevant at 2
    distance = np.array([[0, 2], [2, 1]], np.uint16)
    relevant = np.array([[True, False], [True, False]])
    precision, recall = precision_recall_by_radius(histogram(distance, relevant, bits=8))
    assert precision[:4].tolist() == [1, (1 + 0) / 2, 0.5, 0.5]
    assert recall[:4].tolist() == [0.5, 0.5, 1, 1]


@pytest.mark.parametrize("seed", range(3))
def test_precision_recall_equals_plain_loops(seed):
    query, database, query_labels, database_labels = retrieval(seed)
    result = evaluate(query, database, query_labels, database_labels)
    for radius in range(9):
        precision, recall = [], []
        for code, label in zip(unpack(query), query_labels):
            relevant = (label & database_labels).any(axis=1)
            within = (unpack(database) != code).sum(axis=1) <= radius
            found = int((relevant & within).sum())
            recall.append(found / relevant.sum() if relevant.any() else 0)
            precision.extend([found / within.sum()] if within.any() else [])
        assert result.radius_recall[radius] == pytest.approx(np.mean(recall))
        assert result.radius_precision[radius] == pytest.approx(np.mean(precision or [0]))


def test_precision_is_zero_at_a_radius_where_no_query_retrieves():
    precision, recall = precision_recall_by_radius(counts([5], [1]))
    assert precision.tolist() == recall.tolist() == [0] * 5 + [1] * 4


@pytest.mark.parametrize("bad", [{"map_at": 0}, {"precision_at": (1, 0)}])
def test_a_list_must_hold_at_least_one_item(bad):
    with pytest.raises(ValueError, match="k must be at least 1, got 0"):
        evaluate(*retrieval(0), **bad)


def test_evaluate_refuses_labels_that_do_not_match_the_codes():
    query, database, query_labels, database_labels = retrieval(0)
    with pytest.raises(ValueError, match="got 6 codes and 5 rows of labels"):
        evaluate(query, database, query_labels[:5], database_labels)


def test_unique_codes_counts_distinct_rows():
    assert unique_codes(np.array([[1, 2], [2, 1], [1, 2]], np.uint8)) == 2


def test_bit_balance_is_0_for_halves_and_1_for_constant_bits():
    column = np.array([1, 1, -1, -1])[:, None]
    assert bit_balance(pack(np.repeat(column, 8, axis=1))) == 0
    assert bit_balance(pack(np.ones((4, 8)))) == 1
    # seven bits in halves, one at 3 of 4: 2 |0.75 - 0.5| / 8
    mixed = np.repeat(column, 8, axis=1)
    mixed[2, 0] = 1
    assert bit_balance(pack(mixed)) == pytest.approx(0.5 / 8)


def test_metrics_need_neither_torch_nor_scipy():
    check = (
        "import sys, agch.metrics; sys.exit(bool({'torch', 'scipy', 'sklearn'} & {*sys.modules}))"
    )
    root = Path(agch.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", check], cwd=root).returncode == 0
