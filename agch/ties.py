"""The arithmetic of ties: what is expected of items at equal distance when their order is random.

Shapes: q queries, c bits; a column per Hamming distance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from agch.ranking import Counts

Floats = NDArray[np.float64]


def ranks_inside(total: Counts, k: int) -> Counts:
    """How many of the items at each distance rank within k; (q, c + 1)."""
    return np.clip(cutoff(k) - (total.cumsum(axis=1) - total), 0, total)


def hits_inside(size: Counts, relevant: Counts, inside: Counts) -> tuple[Counts, Floats]:
    """Possible numbers of relevant items among the `inside` first of `size` ties, with chances.

    The arguments are (q, 1), the results (q, any); what does not depend on the number cancels.
    """
    low, high = np.maximum(0, inside - (size - relevant)), np.minimum(relevant, inside)
    steps = low + np.arange(np.max(high - low) + 1)
    hits = np.minimum(steps, high)
    misses = inside - hits
    log_factorial = np.append(0, np.cumsum(np.log(np.arange(1, size.max() + 1))))
    weight = -(log_factorial[hits] + log_factorial[relevant - hits])
    weight -= log_factorial[misses] + log_factorial[size - relevant - misses]
    chance = np.exp(weight - weight.max(axis=1, keepdims=True)) * (steps <= high)
    return hits, chance / row_sum(chance)


def tie_sum(size: Counts, hits: Counts, before: Counts, hits_before: Counts) -> Floats:
    """Expected sum of the precisions at the relevant ranks of `size` ties; shapes broadcast.

    A rank is relevant with probability hits / size, and then an earlier rank of the ties is with
    probability (hits - 1) / (size - 1); summed over the ranks by harmonic numbers.
    """
    harmonic = np.append(0, np.cumsum(1 / np.arange(1, np.max(before + size) + 1)))
    gap = harmonic[before + size] - harmonic[before]
    others = ratio(hits - 1, size - 1) * (size - (before + 1) * gap)
    sums: Floats = ratio(hits, size) * ((hits_before + 1) * gap + others)
    return sums


def row_sum(values: NDArray[Any]) -> NDArray[Any]:
    """Sum each row, keeping the axis; (q, c + 1) -> (q, 1)."""
    sums: NDArray[Any] = values.sum(axis=1, keepdims=True)
    return sums


def ratio(part: NDArray[Any], whole: NDArray[Any]) -> Floats:
    """Divide; 0 where the denominator is not positive."""
    quotient: Floats = part / np.maximum(whole, 1) * (whole > 0)
    return quotient


def cutoff(k: int) -> int:
    """Return k, the length of a list that is scored; a `ValueError` if it is below 1."""
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")
    return k
