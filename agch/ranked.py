"""Rankings whose order is settled, and what their first k hold.

Shapes: q queries, n database rows, m cut-offs, which ascend.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agch.codes import Floats

Counts = NDArray[np.int64]
Small = NDArray[np.unsignedinteger[Any]]


class Ranked:
    """Rankings with the nearest item first, from (q, n) gains in that order."""

    def __init__(self, gain: Small) -> None:
        self.gain = gain
        self.place = np.flatnonzero(gain.astype(bool))  # of the relevant items, row after row
        self.starts = np.arange(len(gain))[:, None] * gain.shape[1]

    @classmethod
    def by(cls, order: NDArray[np.intp], gain: Small) -> Ranked:
        """From (q, n) database positions, nearest first, and the gain at each position."""
        nearest_first = np.empty_like(gain)
        for row, own in enumerate(order):
            np.take(gain[row], own, out=nearest_first[row], mode="clip")
        return cls(nearest_first)

    def hits(self, at: Sequence[int]) -> Counts:
        """(q, m) relevant items among the first k."""
        cuts = self._cuts(at)
        hits: Counts = cuts[:, 1:] - cuts[:, :1]
        return hits

    def precision_sums(self, at: Sequence[int]) -> Floats:
        """(q, m) sums of precision at the relevant ranks among the first k; k ascending."""
        ranks, reciprocals = _ranks(self.gain.shape[1])
        cuts = self._cuts(at)
        ends = np.append(cuts[1:, 0], len(self.place))
        precision = np.empty(len(self.place) + 1)
        for row, start, end in zip(self.starts[:, 0], cuts[:, 0], ends, strict=True):
            own = precision[start:end]
            np.take(reciprocals, self.place[start:end] - row, out=own, mode="clip")
            own *= ranks[: len(own)]
        precision[-1] = 0
        # from each cut to the next; one that holds nothing is not 0 to reduceat
        sums = np.add.reduceat(precision, cuts.ravel()).reshape(cuts.shape)
        sums[cuts == np.column_stack((cuts[:, 1:], ends))] = 0
        return sums[:, :-1].cumsum(axis=1)

    def dcg(self, at: Sequence[int]) -> Floats:
        """(q, m) discounted gain of the first k; k ascending."""
        top = self.gain[:, : at[-1]]
        worth = top * discount(np.arange(1, top.shape[1] + 1))
        ends = np.minimum(at, top.shape[1]) - 1
        sums: Floats = worth.cumsum(axis=1)[:, ends]
        return sums

    def _cuts(self, at: Sequence[int]) -> Counts:
        """(q, 1 + m) how many of `place` lie before each row and before each of its cut-offs."""
        ends = np.minimum((0, *at), self.gain.shape[1])
        cuts: Counts = np.searchsorted(self.place, self.starts + ends)
        return cuts


@lru_cache(maxsize=2)
def _ranks(n: int) -> tuple[Floats, Floats]:
    """1 to n, and 1 / 1 to 1 / n; kept for all blocks of a search."""
    ranks = np.arange(1, n + 1, dtype=np.float64)
    return ranks, 1 / ranks


def discount(rank: NDArray[Any]) -> Floats:
    """What a gain at this rank, from 1, is worth: 1 / log2(rank + 1)."""
    worth: Floats = 1 / np.log2(rank + 1)
    return worth
