"""What is expected of ties, against numbers by hand, exact chances, and a walk down the ranks."""

import math

import numpy as np
import pytest
from rankings import expected_ap, table

from agch.ties import (
    expected_average_precision,
    expected_dcg,
    expected_hits,
    hits_inside,
    ratio,
)


def ap_at(counts, k):
    return expected_average_precision(counts, [k])[:, 0]


def column(*values):
    return np.array(values)[:, None]


def test_ties_share_the_precision_of_their_block():
    # one relevant and one irrelevant item at distance 0: either order, so (1/1 + 1/2) / 2
    assert ap_at(table([0, 0], [1, 0]), 2) == pytest.approx([0.75])


def test_a_cut_through_ties_averages_over_who_comes_inside():
    # one relevant and one irrelevant item tie for the one place: AP@1 is 1 or 0
    assert ap_at(table([3, 3], [0, 1]), 1) == pytest.approx([0.5])
    # the second place goes to either of two, one of them relevant, after a hit: 1 or (1 + 2/2) / 2;
    # after a miss: 0 or 1/2
    assert ap_at(table([0, 1, 1], [1, 0, 1]), 2) == pytest.approx([1])
    assert ap_at(table([0, 1, 1], [0, 0, 1]), 2) == pytest.approx([0.25])


def test_a_cut_that_ends_a_block_of_ties_leaves_nothing_to_chance():
    counts = table([0, 0, 5, 5], [1, 1, 0, 1])
    assert ap_at(counts, 2) == pytest.approx([1])
    # ranks 3 and 4 hold one relevant item, at 3 or at 4: ((1 + 1 + 1) + (1 + 1 + 3/4)) / 2 / 3
    assert ap_at(counts, 4) == pytest.approx([(3 + 2.75) / 6])


def test_hits_give_each_place_the_share_of_its_ties():
    # rank 1 is relevant; ranks 2 and 3 are taken from three ties, two of them relevant
    counts = table([0, 1, 1, 1], [1, 1, 0, 2])
    assert expected_hits(counts, 1) == pytest.approx([1])
    assert expected_hits(counts, 3) == pytest.approx([1 + 2 * 2 / 3])
    assert expected_hits(counts, 4) == expected_hits(counts, 99) == pytest.approx([3])


def test_dcg_gives_each_place_the_mean_gain_of_its_ties():
    # a gain of 2 at rank 1; ranks 2 to 4 have the mean of 1, 0 and 3
    counts = table([0, 1, 1, 1], [2, 1, 0, 3])
    mean, log2 = 4 / 3, math.log2
    for k, dcg in (
        (1, 2),
        (2, 2 + mean / log2(3)),
        (4, 2 + mean / log2(3) + mean / 2 + mean / log2(5)),
    ):
        assert expected_dcg(counts.total, counts.gain, k) == pytest.approx([dcg])
    np.testing.assert_array_equal(
        expected_dcg(counts.total, counts.gain, 99), expected_dcg(counts.total, counts.gain, 4)
    )


def test_dcg_of_rankings_of_different_length():
    dcg = expected_dcg(np.array([[1, 0], [2, 6]]), np.array([[3, 0], [0, 6]]), 8)
    # 3 at rank 1; 1 at each of the ranks 3 to 8
    assert dcg == pytest.approx([3, sum(1 / math.log2(rank + 1) for rank in range(3, 9))])


def test_a_ratio_is_0_where_the_whole_is_not_positive():
    assert ratio(np.array([1, 2, -3, 4]), np.array([2, 0, -1, 1])).tolist() == [0.5, 0, 0, 4]


def test_one_relevant_item_alone_is_certain():
    for k in (1, 50):
        assert ap_at(table([4], [1]), k).tolist() == [1]
        assert expected_hits(table([4], [1]), k).tolist() == [1]


def test_where_nothing_is_relevant_nothing_is_expected():
    counts = table([0, 0, 1], [0, 0, 0])
    for k in (1, 2, 3, 9):
        assert ap_at(counts, k).tolist() == [0]
        assert expected_hits(counts, k).tolist() == [0]
        assert expected_dcg(counts.total, counts.gain, k).tolist() == [0]


@pytest.mark.parametrize("k", [1, 7, 50, 300, 499, 500, 501, 1000])
def test_average_precision_equals_a_walk_down_the_ranks(k):
    rng = np.random.default_rng(k)
    distance, gain = rng.integers(0, 6, 500).tolist(), rng.integers(0, 2, 500).tolist()
    expected = pytest.approx([expected_ap(distance, gain, k)], rel=1e-11)
    assert ap_at(table(distance, gain), k) == expected


@pytest.mark.parametrize("k", [50, 5000])
def test_average_precision_stays_exact_for_a_large_block_of_ties(k):
    # all of n items tie, R of them relevant: the number h inside the first k is hypergeometric, and
    # given h each rank inside is relevant with chance h / k, an earlier one with (h - 1) / (k - 1):
    # E[sum of precisions | h] = sum over i of h / k * (1 + (i - 1) * (h - 1) / (k - 1)) / i
    n, relevant = 18015, 9007
    harmonic, all_ways = math.fsum(1 / i for i in range(1, k + 1)), math.comb(n, k)
    score = 0.0
    for h in range(max(1, k // 2 - 400), min(k, k // 2 + 400) + 1):
        chance = math.comb(relevant, h) * math.comb(n - relevant, k - h) / all_ways
        score += chance / k * (harmonic + (h - 1) / (k - 1) * (k - harmonic))
    counts = table([0] * n, [1] * relevant + [0] * (n - relevant))
    assert ap_at(counts, k) == pytest.approx([score], rel=1e-9)
    assert expected_hits(counts, k) == pytest.approx([k * relevant / n])


SIZES = [
    # of size ties so many are relevant, so many come inside
    (18015, 9007, 5000),
    (18015, 9007, 200),  # nearly with replacement: the bound that leaves numbers out is tight
    (18015, 1, 5000),
    (18015, 18014, 5000),
    (18015, 300, 17000),
    (4000, 37, 1),
    (2, 1, 1),
    (1000, 0, 10),
    (1000, 1000, 10),
    (1000, 990, 20),
]


@pytest.mark.parametrize(("size", "relevant", "inside"), SIZES)
def test_chances_of_hits_are_hypergeometric(size, relevant, inside):
    hits, chance = hits_inside(column(size), column(relevant), column(inside))
    ways = [
        math.comb(relevant, h) * math.comb(size - relevant, inside - h) for h in hits[0].tolist()
    ]
    all_ways = math.comb(size, inside)
    exact = np.array([way / all_ways for way in ways])
    assert len(set(hits[0].tolist())) == len(ways)
    np.testing.assert_allclose(chance[0], exact, rtol=1e-8, atol=1e-30)
    assert chance.sum() == pytest.approx(1, abs=1e-12)
    # what is left out is too unlikely for float64; whole numbers, for 1 - sum would round
    assert (all_ways - sum(ways)) * 10**18 <= 2 * all_ways


def test_numbers_too_unlikely_to_matter_are_left_out():
    # sqrt(5000 * log(1e18) / 2) = 322 to each side of the mean
    hits, _ = hits_inside(column(18015), column(9007), column(5000))
    mean = 5000 * 9007 / 18015
    assert mean - 323.9 < hits.min() and hits.max() < mean + 323.9


def test_queries_of_different_size_have_the_chances_they_have_alone():
    size, relevant, inside = (column(*values) for values in zip(*SIZES[3:], (0, 0, 0), strict=True))
    hits, chance = hits_inside(size, relevant, inside)
    for row in range(len(size)):
        one = slice(row, row + 1)
        own, alone = hits_inside(size[one], relevant[one], inside[one])
        places = own.shape[1]
        assert hits[row, :places].tolist() == own[0].tolist()
        assert chance[row, :places] == pytest.approx(alone[0], abs=1e-15)
        assert not chance[row, places:].any()


def test_no_tie_is_cut_then_no_hit_is_certain():
    hits, chance = hits_inside(column(0), column(0), column(0))
    assert (hits.tolist(), chance.tolist()) == ([[0]], [[1]])
