"""Packed codes held against a database, block by block: what is near, and what is relevant.

Hamming distances and shared labels are small integers, so they are counted (`Histogram`, which has
no order of ties) and sorted by radix. Nothing here holds more than a block of pairs.

Shapes: q queries, n database rows, c bits, L labels, g grades (numbers of labels a pair may share).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agch.codes import Bytes
from agch.ranked import Counts, Ranked, Small

Words = NDArray[np.unsignedinteger[Any]]

PAIRS = 1 << 20
"""Pairs of a query and a database row in a block: few for the caches, many for the threads."""


class Histogram(NamedTuple):
    """What lies at each Hamming distance 0..c from each query; free of any order of ties."""

    total: Counts  # (q, c + 1) items
    relevant: Counts  # (q, c + 1) of which relevant
    gain: Counts  # (q, c + 1) labels they share with the query
    grades: Counts  # (q, g) items that share 0, 1, 2, ... labels


class Search(NamedTuple):
    """Queries and database, checked, as words that are compared pair by pair."""

    codes: tuple[Words, Words]  # (q, words), (n, words)
    labels: tuple[Words, Words]
    bits: int
    grades: int  # one more than the labels that a pair can share

    def parts(self) -> list[slice]:
        """Slices of the queries, about `PAIRS` pairs each."""
        queries, rows = len(self.codes[0]), max(1, PAIRS // len(self.codes[1]))
        return [slice(start, start + rows) for start in range(0, queries, rows)]

    def rank(self, part: slice) -> tuple[Histogram, Ranked]:
        """Hold some queries against the whole database: counts, and the stable ranking."""
        distance, shared = self.distance(part), self.shared(part)
        ranked = Ranked.by(stable_order(distance), shared)
        return histogram(distance, shared, self.bits, self.grades), ranked

    def distance(self, part: slice) -> Small:
        """(q, n) Hamming distances."""
        return _count(np.bitwise_xor, self.codes, part, self.bits)

    def shared(self, part: slice) -> Small:
        """(q, n) labels that both have; an item is relevant where it is positive."""
        return _count(np.bitwise_and, self.labels, part, self.grades - 1)


def search(
    query_codes: Bytes, database_codes: Bytes, query_labels: Bytes, database_labels: Bytes
) -> Search:
    """Check both sides of a search, and pack their labels.

    Args:
        query_codes: (q, c / 8) packed codes.
        database_codes: (n, c / 8) packed codes.
        query_labels: (q, L), non-zero where the row has the label.
        database_labels: (n, L), likewise.

    Raises:
        ValueError: Arrays that do not fit each other, an empty side, or a side on which no row
            has a label.
    """
    _check_pair("packed codes", query_codes, database_codes)
    _check_pair("labels", query_labels, database_labels)
    _check_rows("query", query_codes, query_labels)
    _check_rows("database", database_codes, database_labels)
    labels = _words(np.packbits(query_labels, axis=1)), _words(np.packbits(database_labels, axis=1))
    most = min(int(np.bitwise_count(side).sum(axis=1).max()) for side in labels)
    return Search(
        (_words(query_codes), _words(database_codes)),
        labels,
        8 * query_codes.shape[1],
        most + 1,
    )


def stable_order(distance: Small) -> NDArray[np.intp]:
    """Order the database of each query by distance, and by database position among ties.

    numpy's stable sort of 8 or 16 bits is a radix sort: it counts.

    Args:
        distance: (q, n), 8 or 16 bits wide.

    Returns:
        (q, n) database positions, nearest first.
    """
    return np.argsort(distance, axis=1, kind="stable")


def histogram(distance: Small, shared: Small, bits: int, grades: int) -> Histogram:
    """Count the items at every distance from each query, by the labels they share with it.

    Args:
        distance: (q, n), 0..bits.
        shared: (q, n), 0..grades - 1; an item is relevant where it is positive.
    """
    cell = distance.astype(np.min_scalar_type((bits + 1) * grades))
    cell *= cell.dtype.type(grades)
    cell += shared
    size = (bits + 1) * grades
    counts = np.stack([np.bincount(row, minlength=size) for row in cell])
    return tabulated(counts.reshape(len(cell), bits + 1, grades))


def tabulated(counts: Counts) -> Histogram:
    """The histogram of (q, c + 1, g) counts by distance and shared labels."""
    total = counts.sum(axis=2)
    gain = counts @ np.arange(counts.shape[2])
    return Histogram(total, total - counts[:, :, 0], gain, counts.sum(axis=1))


def _count(compare: np.ufunc, sides: tuple[Words, Words], part: slice, most: int) -> Small:
    """(q, n) bits set in the comparison of every pair, of which there are `most` at most."""
    query, database = sides[0][part], sides[1]
    words = zip(query.T, database.T, strict=True)
    parts = (np.bitwise_count(compare(left[:, None], right)) for left, right in words)
    counts: Small = next(parts).astype(np.uint8 if most < 256 else np.uint16, copy=False)
    for more in parts:
        counts += more
    return counts


def _words(packed: Bytes) -> Words:
    """View (n, w) bytes as unsigned integers, wide enough for all or 64 bits, zeros at the end."""
    width = packed.shape[1]
    size = next((size for size in (1, 2, 4) if width <= size), 8)
    padded = np.zeros((len(packed), -(-width // size) * size), np.uint8)
    padded[:, :width] = packed
    return np.asfortranarray(padded.view(f"u{size}"))


def _check_pair(what: str, query: Bytes, database: Bytes) -> None:
    for side, array in (("query", query), ("database", database)):
        if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(
                f"{side} {what} must be a uint8 matrix of at least one column, "
                f"got {array.dtype} of shape {array.shape}"
            )
    if query.shape[1] >= 8192:
        raise ValueError(f"{what} must have fewer than 8192 columns, got {query.shape[1]}")
    if query.shape[1] != database.shape[1]:
        raise ValueError(
            f"{what} must have one width, got {query.shape[1]} columns for the query "
            f"and {database.shape[1]} for the database"
        )


def _check_rows(side: str, codes: Bytes, labels: Bytes) -> None:
    if len(codes) == 0:
        raise ValueError(f"the {side} must have at least one row, got none")
    if len(codes) != len(labels):
        raise ValueError(
            f"the {side} must have one row of labels per code, "
            f"got {len(codes)} codes and {len(labels)} rows of labels"
        )
    if not labels.any():
        raise ValueError(f"no row of the {side} has a label, so nothing could be relevant")
