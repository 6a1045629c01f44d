"""Binary codes: how they are packed, and what tells a good set of them from a collapsed one.

Shapes: n rows, c bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float64]

FEW_CODES = 0.02
"""Fewer unique codes than this share of the rows, or a single one, count as a collapse."""


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


def unique_codes(codes: Bytes) -> int:
    """Count the distinct rows of (n, c / 8) packed codes; few of them mean a collapse."""
    return len(np.unique(codes, axis=0))


def bit_shares(codes: Bytes) -> Floats:
    """(c,) share of +1 in each bit of (n, c / 8) packed codes."""
    shares: Floats = np.unpackbits(codes, axis=1).mean(axis=0)
    return shares


def bit_balance(codes: Bytes) -> float:
    """Mean over the bits of 2 |p - 0.5|, p the share of +1 in (n, c / 8) packed codes.

    0: every bit splits the rows in halves. 1: every bit is constant.
    """
    return float(np.abs(2 * bit_shares(codes) - 1).mean())


def bit_correlation(codes: Bytes) -> float:
    """Mean absolute Pearson correlation over all pairs of different bits of (n, c / 8) codes.

    0: no bit repeats another. 1: all bits say the same, or the opposite. A constant bit correlates
    with nothing.
    """
    bits = np.unpackbits(codes, axis=1).astype(np.float64)
    rows, width = bits.shape
    ones = bits.sum(axis=0)
    # n^2 times the covariance, in whole numbers, which float64 holds exactly
    covariance = rows * (bits.T @ bits) - np.outer(ones, ones)
    scale = np.sqrt(ones * (rows - ones))
    correlation = np.abs(covariance) / np.maximum(np.outer(scale, scale), 1)
    np.fill_diagonal(correlation, 0)
    return float(correlation.sum() / (width * (width - 1)))


def describe_codes(codes: Mapping[str, Bytes]) -> dict[str, dict[str, float]]:
    """What the metrics files say of each modality's codes; `collapsed` is 1 where few are left."""
    described: dict[str, dict[str, float]] = {}
    for modality, packed in codes.items():
        unique = unique_codes(packed)
        described[modality] = {
            "unique_codes": unique,
            "bit_balance": bit_balance(packed),
            "bit_correlation": bit_correlation(packed),
            "collapsed": int(unique < max(2, FEW_CODES * len(packed))),
        }
    return described
