"""How sure a mean over queries is: paired bootstrap, seeded.

The queries are drawn again with replacement; whatever is compared is drawn together.
Shapes: q queries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from agch.codes import Floats

SAMPLES = 10_000
BLOCK = 1 << 21


@dataclass(frozen=True)
class Difference:
    """How much higher one mean is than another over the same queries."""

    mean: float
    margin: float
    """Half the width of its 95 % interval."""
    p: float
    """Chance of a difference this large, of either sign, if there were none."""


def margin(scores: Floats, seed: int) -> float:
    """Half the width of the 95 % percentile interval of the mean of (q,) scores."""
    return _half_width(_means(scores, seed))


def compare(first: Floats, second: Floats, seed: int) -> Difference:
    """Compare the means of two runs, (q,) scores each of the same queries in the same order.

    p is two-sided: the share of samples whose mean lies as far from the observed difference as that
    lies from 0, itself counted as one (Efron and Tibshirani, 1993, shift method).

    Raises:
        ValueError: They are not of one length.
    """
    if first.shape != second.shape:
        raise ValueError(f"got scores of {len(first)} and of {len(second)} queries")
    difference = first - second
    mean = float(difference.mean())
    # a sample just as far out counts, whatever the rounding of its mean
    means = _means(difference, seed)
    apart = np.abs(means - mean) >= abs(mean) * (1 - 1e-9)
    p = (1 + int(apart.sum())) / (1 + SAMPLES)
    return Difference(mean, _half_width(means), p)


def _half_width(means: Floats) -> float:
    low, high = np.quantile(means, (0.025, 0.975))
    return float(high - low) / 2


def _means(scores: Floats, seed: int) -> Floats:
    """(SAMPLES,) means over queries drawn with replacement."""
    return np.concatenate([scores[drawn].mean(axis=1) for drawn in _draws(len(scores), seed)])


def _draws(queries: int, seed: int) -> Iterator[np.ndarray[tuple[int, int], np.dtype[np.int64]]]:
    generator = np.random.default_rng(seed)
    rows = max(1, BLOCK // queries)
    for start in range(0, SAMPLES, rows):
        yield generator.integers(queries, size=(min(rows, SAMPLES - start), queries))
