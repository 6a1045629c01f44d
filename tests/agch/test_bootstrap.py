"""Margins and p-values of means: against the normal distribution, and what is known exactly."""

import numpy as np
import pytest

from agch import bootstrap
from agch.bootstrap import SAMPLES, compare, margin

LEAST = 1 / (1 + SAMPLES)


def scores(seed, queries=300):
    return np.random.default_rng(seed).random(queries)


@pytest.mark.parametrize("queries", [200, 2000])
def test_the_margin_of_many_scores_is_that_of_the_normal_distribution(queries):
    values = scores(0, queries) ** 3  # skewed
    normal = 1.96 * values.std() / queries**0.5
    # the ends of an interval of 10,000 samples vary by 2 %
    assert margin(values, 0) == pytest.approx(normal, rel=0.05)


def test_the_margin_is_half_the_width_of_the_middle_95_percent():
    # 1,000 scores, one of which is 1: the mean is Poisson(1) / 1000; P(0) = 0.37, so that the low
    # end is 0; P(at most 2) = 0.92, P(at most 3) = 0.981, so that the high end is 3 / 1000
    values = np.zeros(1000)
    values[7] = 1
    assert margin(values, 0) == pytest.approx(1.5 / 1000)


@pytest.mark.parametrize("value", [0.0, 0.1, 1.0])
def test_constant_scores_have_no_margin(value):
    assert margin(np.full(17, value), 0) == pytest.approx(0, abs=1e-15)


def test_the_difference_is_the_first_mean_less_the_second_with_the_margin_of_the_pairs():
    first, second = scores(0), scores(1)
    found = compare(first, second, 5)
    assert found.mean == pytest.approx(first.mean() - second.mean())
    assert found.margin == margin(first - second, 5)


def test_swapping_the_runs_changes_the_sign_alone():
    first, second = scores(0), scores(1) + 0.03
    one, other = compare(first, second, 0), compare(second, first, 0)
    assert one.mean == -other.mean != 0
    assert one.margin == pytest.approx(other.margin)
    assert LEAST < one.p == other.p < 1


def test_p_of_a_clear_difference_is_the_least_there_is():
    # ten standard errors, in either direction
    first = scores(0)
    for sign in (1, -1):
        found = compare(first + sign * (0.2 + 0.1 * scores(1)), first, 0)
        assert np.sign(found.mean) == sign
        assert found.p == LEAST


@pytest.mark.parametrize(("errors", "p"), [(0.5, 0.617), (1, 0.317), (1.96, 0.05), (2.58, 0.01)])
def test_p_of_a_mean_so_many_standard_errors_from_0_is_that_of_the_normal_distribution(errors, p):
    noise = np.random.default_rng(0).standard_normal(1000)
    noise = (noise - noise.mean()) / noise.std() + errors / 1000**0.5
    assert compare(noise, np.zeros(1000), 0).p == pytest.approx(p, rel=0.15)


def test_p_is_uniform_where_there_is_no_difference():
    found = [compare(scores(2 * i, 60), scores(2 * i + 1, 60), 0).p for i in range(100)]
    assert np.mean(found) == pytest.approx(0.5, abs=0.1)  # three standard errors are 0.087
    assert np.mean(np.array(found) < 0.1) == pytest.approx(0.1, abs=0.09)


def test_identical_runs_have_a_p_of_1():
    found = compare(scores(0), scores(0), 0)
    assert (found.mean, found.margin, found.p) == (0, 0, 1)


def test_equal_seeds_draw_equal_queries_and_others_do_not():
    first, second = scores(0), scores(1)
    assert compare(first, second, 3) == compare(first, second, 3)
    assert margin(first, 3) == margin(first, 3)
    assert compare(first, second, 3).margin != compare(first, second, 4).margin
    assert compare(first, second, 3).p != compare(first, second, 4).p


def test_queries_are_drawn_in_pairs():
    # runs that agree on what is hard: the difference is surer than either mean
    first = scores(0)
    alike = first - 0.02 * scores(1)
    shuffled = np.random.default_rng(2).permutation(alike)
    paired, unpaired = compare(first, alike, 0), compare(first, shuffled, 0)
    assert paired.mean == pytest.approx(unpaired.mean)
    assert paired.margin < margin(first, 0) / 10 < unpaired.margin / 10
    assert paired.p == LEAST < 0.1 < unpaired.p


def test_runs_with_different_numbers_of_queries_cannot_be_compared():
    with pytest.raises(ValueError, match="got scores of 300 and of 299 queries"):
        compare(scores(0), scores(0)[:-1], 0)
    with pytest.raises(ValueError, match="got scores of 300 and of 1 queries"):
        compare(scores(0), np.zeros(1), 0)  # which numpy would spread over all


@pytest.mark.parametrize("block", [1, 40, 41, 123, 40 * 3334, 40 * SAMPLES])
def test_the_size_of_a_block_changes_nothing(monkeypatch, block):
    first, second = scores(0, 40), scores(1, 40)
    whole = compare(first, second, 0)
    monkeypatch.setattr(bootstrap, "BLOCK", block)
    assert compare(first, second, 0) == whole
    # of identical runs every sample counts: 1 only if there are SAMPLES of them
    assert compare(first, first, 0).p == 1


def test_p_does_not_depend_on_the_unit_of_the_scores():
    # means of whole numbers are exact, of tenths they are rounded
    first, second = np.array([7.0, 2, 3, 10, 1]), np.array([6.0, 3, 4, 10, 2])
    assert compare(first / 10, second / 10, 0).p == compare(first, second, 0).p
