"""Rankings of a database by Hamming distance, from packed codes and in blocks of queries.

Hamming distances are small integers, so a ranking is either counted (`histogram`) or sorted by
radix (`stable_ranking`). Nothing here holds more than one block of queries against the database.

Shapes: q queries, n database rows, c bits, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Counts = NDArray[np.int64]
Distances = NDArray[np.uint16]


class Block(NamedTuple):
    """Some consecutive queries against the whole database."""

    distance: Distances  # (q, n)
    relevant: Bools  # (q, n)


class Histogram(NamedTuple):
    """How many items lie at each Hamming distance 0..c from each query."""

    total: Counts  # (q, c + 1)
    relevant: Counts  # (q, c + 1), of which relevant


def pack(codes: NDArray[Any]) -> Bytes:
    """Pack codes, eight bits to a byte; a bit is `code > 0`, so 0 counts as -1 (AGCH Eq. 1).

    Args:
        codes: (n, c) signs or real values of any type, c a positive multiple of 8.

    Returns:
        (n, c / 8) bytes; the first bit of a code is the highest bit of its first byte.

    Raises:
        ValueError: The array is not 2-D, or c is not a positive multiple of 8.
    """
    if codes.ndim != 2 or codes.shape[1] == 0 or codes.shape[1] % 8:
        raise ValueError(
            f"codes must be (n, c) with c a positive multiple of 8, got shape {codes.shape}"
        )
    return np.packbits(codes > 0, axis=1)


def unpack(packed: Bytes) -> NDArray[np.int8]:
    """Invert `pack`: (n, c / 8) bytes to (n, c) codes in {-1, +1}."""
    return np.unpackbits(packed, axis=1).astype(np.int8) * np.int8(2) - np.int8(1)


def hamming(query: Bytes, database: Bytes) -> Distances:
    """Count the bits in which each query differs from each database row.

    Args:
        query: (q, c / 8) packed codes.
        database: (n, c / 8) packed codes.

    Returns:
        (q, n) distances, 0..c.

    Raises:
        ValueError: The arrays are not 2-D uint8 of one positive width, or c is over 65535.
    """
    _check_pair("packed codes", query, database)
    if query.shape[1] * 8 > np.iinfo(np.uint16).max:
        raise ValueError(f"packed codes must be under 8192 bytes wide, got {query.shape[1]}")
    distance = np.zeros((len(query), len(database)), np.uint16)
    for left, right in zip(_words(query).T, _words(database).T, strict=True):
        distance += np.bitwise_count(left[:, None] ^ right)
    return distance


def relevance(query_labels: Bytes, database_labels: Bytes) -> Bools:
    """Tell which pairs share at least one label.

    Args:
        query_labels: (q, L), non-zero where the row has the label.
        database_labels: (n, L), likewise.

    Returns:
        (q, n) relevance, exact for any L.

    Raises:
        ValueError: The arrays are not 2-D uint8 of one positive width.
    """
    _check_pair("labels", query_labels, database_labels)
    left_words = _words(np.packbits(query_labels, axis=1))
    right_words = _words(np.packbits(database_labels, axis=1))
    relevant = np.zeros((len(query_labels), len(database_labels)), np.bool_)
    for left, right in zip(left_words.T, right_words.T, strict=True):
        relevant |= (left[:, None] & right) != 0
    return relevant


def stable_ranking(distance: Distances) -> NDArray[np.intp]:
    """Order the database of each query by distance, and by database position among ties.

    Args:
        distance: (q, n), a small unsigned integer type, for which numpy's stable sort is a radix.

    Returns:
        (q, n) database positions, nearest first.
    """
    return np.argsort(distance, axis=1, kind="stable")


def histogram(distance: Distances, relevant: Bools, bits: int) -> Histogram:
    """Count all and the relevant items at every distance from each query.

    Args:
        distance: (q, n), 0..bits.
        relevant: (q, n).
        bits: c.
    """
    bins = bits + 1
    rows = np.arange(len(distance))[:, None]
    cell = (2 * rows + relevant) * bins + distance
    counts = np.bincount(cell.ravel(), minlength=2 * len(distance) * bins)
    counts = counts.reshape(len(distance), 2, bins)
    return Histogram(total=counts.sum(axis=1), relevant=counts[:, 1])


def blocks(
    query_codes: Bytes,
    database_codes: Bytes,
    query_labels: Bytes,
    database_labels: Bytes,
    rows: int = 256,
) -> Iterator[Block]:
    """Compare the queries with the database, at most `rows` queries at a time and in their order.

    Args:
        query_codes: (q, c / 8) packed codes.
        database_codes: (n, c / 8) packed codes.
        query_labels: (q, L), non-zero where the row has the label.
        database_labels: (n, L), likewise.
        rows: Queries in a block, at least 1; memory grows with rows * n.

    Raises:
        ValueError: At the call, before any work: arrays that do not fit each other, an empty side,
            or a side on which no row has a label.
    """
    _check_pair("packed codes", query_codes, database_codes)
    _check_pair("labels", query_labels, database_labels)
    _check_rows("query", query_codes, query_labels)
    _check_rows("database", database_codes, database_labels)
    if rows < 1:
        raise ValueError(f"a block must hold at least 1 query, got {rows}")
    parts = (slice(start, start + rows) for start in range(0, len(query_codes), rows))
    return (
        Block(
            hamming(query_codes[part], database_codes),
            relevance(query_labels[part], database_labels),
        )
        for part in parts
    )


def _words(packed: Bytes) -> NDArray[Any]:
    """View (n, w) bytes as the widest unsigned integers that divide their width."""
    size = next(size for size in (8, 4, 2, 1) if packed.shape[1] % size == 0)
    return np.ascontiguousarray(packed).view(f"u{size}")


def _check_pair(what: str, query: Bytes, database: Bytes) -> None:
    for side, array in (("query", query), ("database", database)):
        if array.dtype != np.uint8 or array.ndim != 2 or array.shape[1] == 0:
            raise ValueError(
                f"{side} {what} must be a uint8 matrix of at least one column, "
                f"got {array.dtype} of shape {array.shape}"
            )
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
