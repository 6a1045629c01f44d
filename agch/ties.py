"""The arithmetic of ties: what is expected of items at equal distance when their order is random.

Shapes: q queries, c bits; a column per Hamming distance.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agch.codes import Floats
from agch.ranked import Counts, discount
from agch.ranking import Histogram


def expected_hits(counts: Histogram, k: int) -> Floats:
    """(q,) relevant items among the first k: the ties that rank k cuts give their share."""
    shares = ratio(counts.relevant, counts.total)
    hits: Floats = (ranks_inside(counts.total, k) * shares).sum(axis=1)
    return hits


def expected_dcg(total: Counts, gain: Counts, k: int) -> Floats:
    """(q,) discounted gain of the first k: each rank of a tie has the tie's mean gain.

    Args:
        total: (q, any) items in each group of ties, the first group ranked first.
        gain: (q, any) sum of their gains.
        k: Length of the list.
    """
    discount = discounts(int(total.sum(axis=1).max(initial=0)))
    end = total.cumsum(axis=1)
    weight = discount[np.minimum(end, k)] - discount[np.minimum(end - total, k)]
    dcg: Floats = (ratio(gain, total) * weight).sum(axis=1)
    return dcg


def expected_average_precision(counts: Histogram, at: Sequence[int]) -> Floats:
    """(q, m) AP@k of `metrics.average_precision`, averaged over all orders of the ties.

    Ties wholly inside the first k add their expected sum of precisions. Of the ties that rank k
    cuts, h relevant items come inside with hypergeometric probability, and given h they are a
    uniform subset of the ranks inside, so that their sum has the same closed form.
    Source: McSherry and Najork (2008) for the whole ranking; the cut is worked out here.
    """
    total, relevant = counts.total, counts.relevant
    before, found = total.cumsum(axis=1) - total, relevant.cumsum(axis=1) - relevant
    sums = tie_sum(total, relevant, before, found)
    columns = [_expected_ap(total, relevant, sums, k) for k in at]
    return np.stack(columns, axis=1)


def _expected_ap(total: Counts, relevant: Counts, sums: Floats, k: int) -> Floats:
    """(q,) AP@k, given the expected sum of precisions of each distance's ties."""
    inside = ranks_inside(total, k)
    full = inside == total
    cut = (inside > 0) & ~full
    before, found = row_sum(full * total), row_sum(full * relevant)
    ranks = row_sum(cut * inside)
    hits, chance = hits_inside(row_sum(cut * total), row_sum(cut * relevant), ranks)
    whole = row_sum(full * sums) + tie_sum(ranks, hits, before, found)
    expected: Floats = (chance * ratio(whole, found + hits)).sum(axis=1)
    return expected


def ranks_inside(total: Counts, k: int) -> Counts:
    """How many of the items at each distance rank within k; (q, c + 1)."""
    return np.clip(k - (total.cumsum(axis=1) - total), 0, total)


def hits_inside(size: Counts, relevant: Counts, inside: Counts) -> tuple[Counts, Floats]:
    """Possible numbers of relevant items among the `inside` first of `size` ties, with chances.

    The arguments are (q, 1), the results (q, any); what does not depend on the number cancels.
    Numbers whose chances add up to less than 2e-18, below what float64 can add to 1, are left out
    (Hoeffding: P(|h - mean| >= t) <= 2 exp(-2 t^2 / inside)).
    """
    low, high = np.maximum(0, inside - (size - relevant)), np.minimum(relevant, inside)
    mean, reach = ratio(inside * relevant, size), np.sqrt(inside * np.log(1e18) / 2)
    low = np.maximum(low, np.floor(mean - reach).astype(np.int64))
    high = np.minimum(high, np.ceil(mean + reach).astype(np.int64))
    steps = low + np.arange(np.max(high - low) + 1)
    hits = np.minimum(steps, high)
    misses = inside - hits
    log_factorial = log_factorials(int(size.max()))
    weight = -(log_factorial[hits] + log_factorial[relevant - hits])
    weight -= log_factorial[misses] + log_factorial[size - relevant - misses]
    chance = np.exp(weight - weight.max(axis=1, keepdims=True)) * (steps <= high)
    return hits, chance / row_sum(chance)


def tie_sum(size: Counts, hits: Counts, before: Counts, hits_before: Counts) -> Floats:
    """Expected sum of the precisions at the relevant ranks of `size` ties; shapes broadcast.

    A rank is relevant with probability hits / size, and then an earlier rank of the ties is with
    probability (hits - 1) / (size - 1); summed over the ranks by harmonic numbers.
    """
    harmonic = harmonics(int(np.max(before + size)))
    gap = harmonic[before + size] - harmonic[before]
    others = ratio(hits - 1, size - 1) * (size - (before + 1) * gap)
    sums: Floats = ratio(hits, size) * ((hits_before + 1) * gap + others)
    return sums


def harmonics(n: int) -> Floats:
    """At least the harmonic numbers 0 to n."""
    return _sums(np.reciprocal, n.bit_length())


def log_factorials(n: int) -> Floats:
    """At least the logarithms of 0! to n!."""
    return _sums(np.log, n.bit_length())


def discounts(n: int) -> Floats:
    """At least the sums of `discount` over the first 0 to n ranks."""
    return _sums(discount, n.bit_length())


@lru_cache(maxsize=8)
def _sums(term: Callable[[Floats], Floats], log_size: int) -> Floats:
    """Sums of a term over the first 0 to 2^log_size numbers; kept, for many calls need them."""
    numbers = np.arange(1, (1 << log_size) + 1, dtype=np.float64)
    return np.append(0, np.cumsum(term(numbers)))


def row_sum(values: NDArray[Any]) -> NDArray[Any]:
    """Sum each row, keeping the axis; (q, c + 1) -> (q, 1)."""
    sums: NDArray[Any] = values.sum(axis=1, keepdims=True)
    return sums


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Divide; 0 where the denominator is not positive."""
    quotient: Floats = part / np.maximum(whole, 1) * (whole > 0)
    return quotient
