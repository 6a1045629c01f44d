"""Exact search for the nearest rows of one query: by Hamming distance of codes, or by cosine.

    index = open_index(np.load("image.npy", mmap_mode="r"))
    rows, distance, tied = index.search(code, k=20)

Results are ordered by distance and then by row, so that ties have one order, whatever the engine.
Shapes: n rows, c bits.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from agch.codes import Bytes

FAISS_FROM = 500_000
"""Beyond so many rows faiss answers, where it is installed."""
BLOCK = 1 << 15
"""Rows that are compared at a time; what arises of them stays in a core's cache."""
Words = NDArray[np.unsignedinteger[Any]]
Reals = NDArray[np.float32]


class Found(NamedTuple):
    """The k nearest rows, or all if there are fewer, nearest first."""

    rows: NDArray[np.int64]  # (k,)
    distance: NDArray[Any]  # (k,) bits that differ, or 1 - cosine
    tied: NDArray[np.int64]  # (k,) other rows of the index at exactly this distance


class Index(Protocol):
    """What answers queries."""

    def search(self, query: NDArray[Any], k: int) -> Found:
        """The nearest rows of a query: (c / 8,) bytes against codes, (c,) reals against reals.

        Raises:
            ValueError: The query is of another shape or type than the rows, or k is below 1.
        """


def open_index(codes: Bytes) -> Index:
    """The engine for (n, c / 8) packed codes: faiss for many rows, if it is installed."""
    if len(codes) > FAISS_FROM and find_spec("faiss"):
        from agch.search_faiss import FaissIndex

        return FaissIndex(codes)
    return NumpyIndex(codes)


class NumpyIndex:
    """Codes by numpy: one pass counts the bits that differ, a histogram says how far to go.

    Args:
        codes: (n, c / 8) packed codes; with c = 64 they are used where they lie, not copied.
    """

    def __init__(self, codes: Bytes) -> None:
        check_codes(codes)
        self._like = codes[:0]
        self._words = _words(codes)
        self._rows, self._bits = len(codes), 8 * codes.shape[1]

    def search(self, query: Bytes, k: int) -> Found:
        """See `Index`."""
        check_query(query, self._like, k)
        words = _words(query[None])[:, 0]
        distance: Words = np.empty(self._rows, np.uint8 if self._bits < 256 else np.uint16)
        counts = np.zeros(self._bits + 1, np.int64)
        for start in range(0, self._rows, BLOCK):
            part = distance[start : start + BLOCK]
            _count(self._words[:, start : start + BLOCK], words, part)
            counts += np.bincount(part, minlength=len(counts))
        farthest = int(counts.cumsum().searchsorted(k))  # by here there are k, or it is beyond all
        rows = np.flatnonzero(distance <= farthest)
        near = distance[rows]
        order = near.argsort(kind="stable")[:k]
        return Found(rows[order], near[order], counts[near[order]] - 1)


class CosineIndex:
    """Real outputs by cosine; distance is 1 - cosine.

    Products in float32 find who may be among the nearest; these few are computed again in float64,
    each by itself, so that equal rows tie wherever they stand.

    Args:
        outputs: (n, c) float32; a row of zeros has cosine 0 to all.
    """

    def __init__(self, outputs: Reals) -> None:
        self._outputs = outputs
        blocks = (outputs[start : start + BLOCK] for start in range(0, len(outputs), BLOCK))
        self._lengths = np.concatenate([np.empty(0), *map(_lengths, blocks)]).astype(np.float32)
        self._slack = outputs.shape[1] * 2.0**-22  # more than twice what float32 rounds

    def search(self, query: Reals, k: int) -> Found:
        """See `Index`."""
        check_query(query, self._outputs[:0], k)
        rows = self._candidates(query, k)
        near, wanted = self._outputs[rows].astype(np.float64), query.astype(np.float64)
        product = (near * wanted).sum(axis=1)
        cosine = product / _lengths(near) / _lengths(wanted[None])
        distance = np.maximum(1 - cosine, 0)
        order = distance.argsort(kind="stable")[:k]
        _, place, counts = np.unique(distance, return_inverse=True, return_counts=True)
        return Found(rows[order], distance[order], counts[place[order]] - 1)

    def _candidates(self, query: Reals, k: int) -> NDArray[np.int64]:
        """Ascending rows whose cosine may be among the k greatest, and all that tie with these."""
        cosine = np.empty(len(self._lengths), np.float32)
        unit = query / np.float32(_lengths(query[None]))
        for start in range(0, len(cosine), BLOCK):
            part = slice(start, start + BLOCK)
            # BLAS would wake its threads for every block, and wait for them
            np.einsum("ij,j->i", self._outputs[part], unit, out=cosine[part])
        cosine /= self._lengths
        if k >= len(cosine):
            return np.arange(len(cosine))
        least = np.partition(cosine, len(cosine) - k)[-k]
        return np.flatnonzero(cosine >= least - self._slack)


def check_codes(codes: NDArray[Any]) -> None:
    """Check that they are packed codes.

    Raises:
        ValueError: They are not.
    """
    if codes.dtype != np.uint8 or codes.ndim != 2 or not codes.shape[1]:
        raise ValueError(
            f"packed codes must be uint8 of shape (n, c / 8), got {codes.dtype} {codes.shape}"
        )


def check_query(query: NDArray[Any], rows: NDArray[Any], k: int) -> None:
    """Check that a query is like a row.

    Raises:
        ValueError: It is not, or k is below 1.
    """
    if query.dtype != rows.dtype or query.shape != rows.shape[1:]:
        raise ValueError(
            f"the query must be {rows.dtype} of shape {rows.shape[1:]}, "
            f"got {query.dtype} of shape {query.shape}"
        )
    if k < 1:
        raise ValueError(f"k must be at least 1, got {k}")


def _words(packed: Bytes) -> Words:
    """(words, n) unsigned integers of (n, c / 8) bytes, as wide as fit; zeros fill up the last."""
    width = packed.shape[1]
    size = next((size for size in (1, 2, 4) if width <= size), 8)
    if width % size:
        packed = np.pad(packed, ((0, 0), (0, -width % size)))
    return np.ascontiguousarray(np.ascontiguousarray(packed).view(f"u{size}").T)


def _count(words: Words, query: Words, distance: Words) -> None:
    """Write to (m,) `distance` the bits in which (words, m) rows and (words,) query differ."""
    np.bitwise_count(words[0] ^ query[0], out=distance)
    for row, own in zip(words[1:], query[1:], strict=True):
        distance += np.bitwise_count(row ^ own)


def _lengths(rows: NDArray[Any]) -> NDArray[np.float64]:
    """(n,) Euclidean lengths in float64, 1 for a row of zeros."""
    squares = np.square(rows, dtype=np.float64).sum(axis=1)
    lengths: NDArray[np.float64] = np.sqrt(squares)
    return np.where(lengths > 0, lengths, 1)
