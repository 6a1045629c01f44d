"""The metrics agree with scikit-learn and with trec_eval (by ir_measures) where both define one."""

import ir_measures
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures import AP, P, R, nDCG
from rankings import by_position, one_query
from sklearn.metrics import average_precision_score, ndcg_score

from agch.metrics import evaluate

KS = (1, 3, 10, 50)
gains = st.lists(st.integers(0, 3), min_size=1, max_size=40)
tied = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=2, max_size=40)
quick = settings(max_examples=60, deadline=None)


@st.composite
def untied(draw):
    """Distances that all differ, in any order, and the gains of the items."""
    gain = draw(gains)
    return draw(st.permutations(range(len(gain)))), gain


def trec_eval(gains):
    """What trec_eval says of a ranking of these gains, by our names."""
    judged = {"query": {f"item{rank}": gain for rank, gain in enumerate(gains)}}
    scored = {"query": {f"item{rank}": float(-rank) for rank in range(len(gains))}}
    names = {AP: "map"}
    for k in KS:
        names |= {AP @ k: f"map@{k}", P @ k: f"p@{k}", R @ k: f"recall@{k}", nDCG @ k: f"ndcg@{k}"}
    found = ir_measures.iter_calc(list(names), judged, scored)
    return {names[metric.measure]: metric.value for metric in found}


def assert_as_trec_eval(scores, gains):
    """AP@k of trec_eval divides by all relevant items, ours by those found: the sums are equal."""
    theirs = trec_eval(gains)
    relevant = sum(gain > 0 for gain in gains)
    for k in KS:
        found = sum(gain > 0 for gain in gains[:k])
        theirs[f"map@{k}"] *= relevant / max(1, found)
    ours = {name: scores[name][0] for name in theirs}
    assert len(ours) == 1 + 4 * len(KS)
    assert ours == pytest.approx(theirs, abs=1e-12)


@quick
@given(untied())
def test_without_ties_both_rules_agree_with_trec_eval(items):
    found = evaluate(*one_query(*items), at=KS)
    for scores in (found.stable, found.expected):
        assert_as_trec_eval(scores, by_position(*items))


@quick
@given(tied)
def test_with_ties_the_stable_rule_agrees_with_trec_eval_on_the_order_of_the_database(items):
    distance, gain = zip(*items)
    found = evaluate(*one_query(distance, gain), at=KS)
    assert_as_trec_eval(found.stable, by_position(distance, gain))


@quick
@given(untied())
def test_without_ties_average_precision_agrees_with_sklearn(items):
    distance, gain = items
    found = evaluate(*one_query(distance, gain))
    relevant = np.array(gain) > 0
    # sklearn warns where nothing is relevant
    theirs = average_precision_score(relevant, -np.array(distance)) if relevant.any() else 0.0
    for scores in (found.stable, found.expected):
        assert scores["map"] == pytest.approx([theirs])


@quick
@given(tied)
def test_with_ties_the_expected_rule_agrees_with_sklearn_on_ndcg(items):
    distance, gain = zip(*items)
    found = evaluate(*one_query(distance, gain), at=KS)
    for k in KS:
        theirs = ndcg_score([gain], [[-d for d in distance]], k=k)
        assert found.expected[f"ndcg@{k}"] == pytest.approx([theirs], abs=1e-12)


@quick
@given(tied)
def test_with_ties_the_stable_rule_agrees_with_sklearn_on_ndcg_of_the_order_of_the_database(items):
    distance, gain = zip(*items)
    found = evaluate(*one_query(distance, gain), at=KS)
    order = by_position(distance, gain)
    for k in KS:
        theirs = ndcg_score([order], [[-rank for rank in range(len(order))]], k=k)
        assert found.stable[f"ndcg@{k}"] == pytest.approx([theirs], abs=1e-12)
