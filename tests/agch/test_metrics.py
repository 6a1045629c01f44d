"""Every metric against numbers done by hand, plain loops, and all orders of tied items."""

import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rankings import (
    by_position,
    expected_scores,
    loop_scores,
    one_query,
    retrieval,
    table,
    tied_orders,
)

import agch
from agch import metrics, ranking
from agch.codes import unpack
from agch.metrics import (
    average_precision,
    calculate_mAP,
    evaluate,
    ndcg_at,
    precision_at,
    precision_recall_by_radius,
    precision_within,
    recall_at,
)
from agch.ranked import Ranked
from agch.ranking import histogram
from agch.ties import expected_dcg

RULES = ("stable", "expected")


def ranked(*gains):
    """Rankings with the nearest item first."""
    return Ranked(np.array(gains, np.uint8))


def same(first, second):
    """Two evaluations, in every bit."""
    for rule in RULES:
        one, other = getattr(first, rule), getattr(second, rule)
        assert list(one) == list(other)
        for name in one:
            np.testing.assert_array_equal(one[name], other[name], err_msg=f"{rule} {name}")


def distances_and_gains(query, database, query_labels, database_labels):
    """For each query, by loops."""
    for code, label in zip(unpack(query), query_labels != 0, strict=True):
        distance = [int((code != other).sum()) for other in unpack(database)]
        yield distance, [int((label & other).sum()) for other in database_labels != 0]


tied_items = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=6)


def test_ap_is_the_mean_precision_at_the_relevant_items_found():
    # relevant at ranks 1 and 3: (1/1 + 2/3) / 2
    assert average_precision(ranked([1, 0, 1]), (3,)) == pytest.approx(np.array([[5 / 6]]))


def test_ap_at_k_divides_by_the_relevant_items_found_not_by_all():
    # four relevant items, one of them among the first two, at rank 2: (1/2) / 1
    assert average_precision(ranked([0, 1, 1, 1, 1]), (2,)).tolist() == [[0.5]]


def test_ap_of_the_whole_ranking_divides_by_all_relevant_items():
    # (1/2 + 2/4) / 2, also where k is beyond the database
    assert average_precision(ranked([0, 1, 0, 1]), (4, 9)).tolist() == [[0.5, 0.5]]


def test_ap_takes_every_query_and_cut_off_by_itself():
    # the last, the first and a middle query find nothing; cut-offs before, between and after hits
    gains = [0, 0, 0, 0], [0, 3, 0, 1], [0, 0, 0, 0], [1, 0, 0, 2], [1, 1, 1, 1], [0, 0, 0, 0]
    expected = [
        [0, 0, 0, 0],
        [0, 1 / 2, 1 / 2, (1 / 2 + 2 / 4) / 2],
        [0, 0, 0, 0],
        [1, 1, 1, (1 + 2 / 4) / 2],
        [1, 1, 1, 1],
        [0, 0, 0, 0],
    ]
    np.testing.assert_allclose(average_precision(ranked(*gains), (1, 2, 3, 4)), expected)
    assert ranked(*gains).hits((1, 2, 4)).tolist() == [
        [0, 0, 0],
        [0, 1, 2],
        [0, 0, 0],
        [1, 1, 2],
        [1, 2, 4],
        [0, 0, 0],
    ]


def test_precision_divides_by_k_also_beyond_the_database():
    hits = ranked([1, 0, 1], [0, 0, 2]).hits((2, 10))
    assert precision_at(hits[:, 0], 2).tolist() == [0.5, 0]
    assert precision_at(hits[:, 1], 10).tolist() == [0.2, 0.1]


def test_recall_divides_by_all_relevant_items_and_is_0_where_there_are_none():
    relevant = np.array([4, 1, 0])
    assert recall_at(np.array([3, 1, 0]), relevant).tolist() == [0.75, 1, 0]


def test_ndcg_discounts_gains_by_the_logarithm_of_their_rank():
    # gains 2, 0, 1: 2 / log2(2) + 1 / log2(4) = 2.5; best order 2, 1, 0: 2 + 1 / log2(3)
    counts = table([0, 1, 2], [2, 0, 1])
    dcg = ranked([2, 0, 1]).dcg((1, 2, 3, 9))
    assert dcg.tolist() == [[2, 2, 2.5, 2.5]]
    best = 2 + 1 / math.log2(3)
    for column, k, score in ((0, 1, 1), (1, 2, 2 / best), (2, 3, 2.5 / best), (3, 9, 2.5 / best)):
        assert ndcg_at(dcg[:, column], counts, k) == pytest.approx([score])


def test_ndcg_of_the_ideal_order_is_taken_over_the_whole_database():
    # the one item with two labels in common lies beyond the first two ranks
    counts = table([0, 1, 2], [1, 0, 2])
    dcg = ranked([1, 0, 2]).dcg((2,))[:, 0]
    assert ndcg_at(dcg, counts, 2) == pytest.approx([1 / (2 + 1 / math.log2(3))])


def test_ndcg_is_0_where_nothing_is_relevant():
    counts = table([0, 0, 1], [0, 0, 0])
    assert ndcg_at(np.zeros(1), counts, 2).tolist() == [0]


def test_precision_within_a_radius_counts_what_lies_at_most_so_far():
    # within 2: the items at 0, 2 and 2, of which one is relevant
    counts = table([0, 2, 2, 3], [0, 2, 0, 1])
    assert precision_within(counts, 2) == pytest.approx([1 / 3])
    assert precision_within(counts, 3).tolist() == [0.5]


def test_precision_within_a_radius_is_0_where_nothing_lies():
    assert precision_within(table([3, 4], [1, 1]), 2).tolist() == [0]


def test_recall_counts_all_queries_and_precision_those_that_retrieve():
    # query 0: relevant item at distance 0, irrelevant at 2; query 1: irrelevant at 1, relevant at 2
    distance = np.array([[0, 2], [2, 1]], np.uint16)
    relevant = np.array([[1, 0], [1, 0]], np.uint8)
    precision, recall = precision_recall_by_radius(histogram(distance, relevant, 8, 2))
    assert precision[:4].tolist() == [1, (1 + 0) / 2, 0.5, 0.5]
    assert recall[:4].tolist() == [0.5, 0.5, 1, 1]


def test_precision_is_0_at_a_radius_where_no_query_retrieves():
    precision, recall = precision_recall_by_radius(table([5], [1]))
    assert precision.tolist() == recall.tolist() == [0] * 5 + [1] * 2


@pytest.mark.parametrize("seed", range(3))
def test_precision_and_recall_by_radius_equal_plain_loops(seed):
    arrays = retrieval(seed)
    curve = precision_recall_by_radius(evaluate(*arrays).counts)
    for radius in range(9):
        precision, recall = [], []
        for distance, gain in distances_and_gains(*arrays):
            within = [g > 0 for d, g in zip(distance, gain) if d <= radius]
            recall.append(sum(within) / max(1, sum(g > 0 for g in gain)))
            precision.extend([sum(within) / len(within)] if within else [])
        assert curve[0][radius] == pytest.approx(np.mean(precision or [0]))
        assert curve[1][radius] == pytest.approx(np.mean(recall))


def test_a_query_without_relevant_items_scores_0_and_counts():
    query, database, query_labels, database_labels = retrieval(2)
    found = evaluate(query, database, query_labels, database_labels, at=(1, 5, 99))
    for rule in RULES:
        for name, values in getattr(found, rule).items():
            assert values.shape == (6,)
            assert values[0] == 0, name
            assert found.means(rule)[name] == pytest.approx(sum(values[1:]) / 6)
    assert found.stable["map"][1:].any()


@settings(max_examples=200, deadline=None)
@given(tied_items, st.integers(1, 8))
def test_expected_values_are_the_mean_over_all_orders_of_ties(items, k):
    distance, gain = zip(*items)
    found = evaluate(*one_query(distance, gain), at=(k,))
    orders = [loop_scores(order, k) for order in tied_orders(distance, gain)]
    stable = loop_scores(by_position(distance, gain), k)
    for name, value in stable.items():
        mean = sum(order[name] for order in orders) / len(orders)
        assert found.stable[name] == pytest.approx([value], abs=1e-12)
        assert found.expected[name] == pytest.approx([mean], abs=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_evaluate_equals_plain_loops(seed):
    # 8 bits: many ties; 64: few. Labels of 4 and of 30 classes: gains of 2 and more
    arrays = retrieval(seed, bits=(8, 64)[seed % 2], classes=(4, 30)[seed // 2])
    ks = (1, 3, 7, 30, 50)
    found = evaluate(*arrays, at=ks)
    for i, (distance, gain) in enumerate(distances_and_gains(*arrays)):
        within = [g > 0 for d, g in zip(distance, gain) if d <= 2]
        radius = {"p@radius2": sum(within) / len(within) if within else 0.0}
        stable, expected = dict(radius), dict(radius)
        for k in ks:
            stable |= loop_scores(by_position(distance, gain), k)
            expected |= expected_scores(distance, gain, k)
        for mine, loops in ((found.stable, stable), (found.expected, expected)):
            scores = {name: values[i] for name, values in mine.items()}
            assert scores == pytest.approx(loops, abs=1e-12)


def test_scores_of_both_rules_come_under_the_same_names_whatever_the_order_of_the_ks():
    found = evaluate(*retrieval(0), at=(10, 2, 10))
    names = ["map@2", "map@10", "map"]
    names += [f"{name}@{k}" for name in ("p", "recall", "ndcg") for k in (2, 10)] + ["p@radius2"]
    assert list(found.stable) == list(found.expected) == names
    assert list(found.means("stable")) == list(found.means("expected")) == names
    same(found, evaluate(*retrieval(0), at=(2, 10)))


def test_means_are_floats_of_the_rule_that_is_named():
    found = evaluate(*retrieval(4), at=(5,))
    for rule in RULES:
        for name, mean in found.means(rule).items():
            assert type(mean) is float
            assert mean == pytest.approx(np.mean(getattr(found, rule)[name]))
    assert found.means("stable")["map"] != found.means("expected")["map"]


def test_queries_are_scored_one_by_one_in_their_order():
    # more than a slab of them
    query, database, query_labels, database_labels = retrieval(3, queries=2 * metrics.SLAB + 5)
    whole = evaluate(query, database, query_labels, database_labels, at=(1, 7))
    for i in (*range(1, 9), metrics.SLAB - 1, metrics.SLAB, 2 * metrics.SLAB, len(query) - 1):
        if not query_labels[i].any():
            continue
        own = slice(i, i + 1)
        alone = evaluate(query[own], database, query_labels[own], database_labels, at=(1, 7))
        for rule in RULES:
            for name, values in getattr(alone, rule).items():
                assert getattr(whole, rule)[name][own] == pytest.approx(values, abs=1e-14)


def test_a_single_row_of_the_database_is_ranked_first():
    query, labels = np.zeros((2, 2), np.uint8), np.array([[1, 0], [0, 1]], np.uint8)
    found = evaluate(query, query[:1], labels, labels[:1], at=(1, 4))
    for rule in RULES:
        scores = {name: values.tolist() for name, values in getattr(found, rule).items()}
        assert scores.pop("p@4") == [0.25, 0]
        assert all(values == [1, 0] for values in scores.values())


@pytest.mark.parametrize("pairs", [1, 61, 10**9])
def test_the_size_of_a_block_changes_no_score(monkeypatch, pairs):
    arrays = retrieval(1, queries=40, bits=16, classes=20)
    whole = evaluate(*arrays, at=(1, 5, 40))
    monkeypatch.setattr(ranking, "PAIRS", pairs)
    parts = evaluate(*arrays, at=(1, 5, 40))
    same(whole, parts)
    for one, other in zip(whole.counts, parts.counts, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_no_order_of_the_database_changes_an_expected_value_or_a_count(seed):
    query, database, query_labels, database_labels = retrieval(seed)
    order = np.random.default_rng(seed).permutation(len(database))
    before = evaluate(query, database, query_labels, database_labels)
    after = evaluate(query, database[order], query_labels, database_labels[order])
    for name, values in before.expected.items():
        np.testing.assert_array_equal(values, after.expected[name])
    for one, other in zip(before.counts, after.counts, strict=True):
        np.testing.assert_array_equal(one, other)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 255))
def test_flipping_the_same_bits_of_all_codes_changes_nothing(seed, flips):
    query, database, query_labels, database_labels = retrieval(seed)
    mask = np.uint8(flips)
    before = evaluate(query, database, query_labels, database_labels)
    same(before, evaluate(query ^ mask, database ^ mask, query_labels, database_labels))


def test_constant_codes_tie_everything_and_expect_the_share_of_relevant_items():
    query, database, query_labels, database_labels = one_query([0] * 10, [1] * 4 + [0] * 6)
    found = evaluate(query, database, query_labels, database_labels, at=(1, 4, 5))
    stable = {name: float(found.stable[name][0]) for name in ("map", "map@4", "p@1", "p@5")}
    assert stable == {"map": 1, "map@4": 1, "p@1": 1, "p@5": 0.8}
    for name, share in (("p@1", 0.4), ("p@5", 0.4), ("recall@5", 0.5), ("p@radius2", 0.4)):
        assert found.expected[name] == pytest.approx([share])


@pytest.mark.parametrize(
    "form",
    [
        lambda signs: signs,
        lambda signs: signs > 0,
        lambda signs: signs * np.linspace(0.1, 3, signs.size).reshape(signs.shape),
        lambda signs: np.where(signs > 0, np.float32(1e-9), np.float32(0)),
        lambda signs: signs.astype(np.int64),
    ],
    ids=["int8 signs", "bool", "real outputs", "zero is -1", "int64 signs"],
)
def test_codes_that_are_not_packed_score_as_packed_ones(form):
    query, database, *labels = retrieval(5, bits=16)
    packed = evaluate(query, database, *labels)
    same(packed, evaluate(form(unpack(query)), form(unpack(database)), *labels))
    same(packed, evaluate(query, form(unpack(database)), *labels))
    same(packed, evaluate(form(unpack(query)), database, *labels))


def test_bytes_of_0_and_1_that_no_one_packed_score_as_packed_ones():
    query, database, *labels = retrieval(6, bits=16)
    bits = np.unpackbits(query, axis=1), np.unpackbits(database, axis=1)
    assert bits[0].shape == (6, 16)
    same(evaluate(query, database, *labels), evaluate(*bits, *labels))


def field_map(query, database, query_labels, database_labels, topk):
    """`calculate_top_map` of zs-zhong/DJSRH for signs, with a sort that keeps the order of ties."""
    total = 0.0
    for code, label in zip(query, query_labels):
        relevant = (label @ database_labels.T > 0).astype(np.float32)
        hamming = 0.5 * (database.shape[1] - code @ database.T)
        top = relevant[np.argsort(hamming, kind="stable")][:topk]
        found = int(top.sum())
        if found:
            ranks = np.flatnonzero(top == 1) + 1.0
            total += np.mean(np.linspace(1, found, found) / ranks)
    return total / len(query)


@pytest.mark.parametrize("topk", [None, 1, 5, 30, 50])
def test_calculate_map_is_the_code_of_the_field(topk):
    query, database, query_labels, database_labels = retrieval(7, bits=16)
    signs = unpack(query).astype(np.float64), unpack(database).astype(np.float64)
    expected = field_map(*signs, query_labels, database_labels, topk)
    assert 0 < expected < 1
    score = calculate_mAP(*signs, query_labels, database_labels, topk)
    assert score == pytest.approx(expected)
    assert score == calculate_mAP(query, database, query_labels, database_labels, topk=topk)


def test_calculate_map_takes_ties_by_position_and_the_whole_ranking_unless_told():
    # three ties, relevant at the first and the last: (1 + 2/3) / 2; the first two: 1
    arrays = one_query([0, 0, 0], [1, 0, 1])
    assert calculate_mAP(*arrays) == pytest.approx(5 / 6)
    assert calculate_mAP(*arrays, topk=2) == 1


@pytest.mark.parametrize("at", [(0,), (5, 0), (-3, 2)])
def test_a_list_must_hold_at_least_one_item(at):
    with pytest.raises(ValueError, match=f"k must be at least 1, got {min(at)}"):
        evaluate(*retrieval(0), at=at)


def test_evaluate_refuses_labels_that_do_not_match_the_codes():
    query, database, query_labels, database_labels = retrieval(0)
    with pytest.raises(ValueError, match="got 6 codes and 5 rows of labels"):
        evaluate(query, database, query_labels[:5], database_labels)


def test_evaluate_refuses_outputs_that_fill_no_bytes():
    _, _, *labels = retrieval(0)
    with pytest.raises(ValueError, match=r"multiple of 8, got shape \(6, 12\)"):
        evaluate(np.ones((6, 12)), np.ones((30, 12)), *labels)


def test_expected_dcg_of_each_tie_is_free_of_its_order():
    # the discounts are kept between calls: a larger ranking after a smaller one finds its own
    for n in (3, 70):
        counts = table(list(range(n)), [1] * n)
        exact = sum(1 / math.log2(rank + 1) for rank in range(1, n + 1))
        assert expected_dcg(counts.total, counts.gain, n) == pytest.approx([exact])


def test_metrics_need_neither_torch_nor_scipy():
    check = (
        "import sys, agch.metrics; sys.exit(bool({'torch', 'scipy', 'sklearn'} & {*sys.modules}))"
    )
    root = Path(agch.__file__).parents[1]
    assert subprocess.run([sys.executable, "-c", check], cwd=root).returncode == 0
