"""Ranking by cosine of the outputs before the sign: what binary codes lose is the gap to it.

Shapes: q queries, n database rows, c bits, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agch.codes import Floats, pack
from agch.metrics import average_precision
from agch.ranked import Ranked
from agch.ranking import search

STEPS = 1 << 20
"""Entries of unit vectors are rounded to whole multiples of 1 / STEPS, so that sums are exact."""


def cosine_map(
    query_outputs: NDArray[Any],
    database_outputs: NDArray[Any],
    query_labels: NDArray[Any],
    database_labels: NDArray[Any],
    at: Sequence[int],
) -> dict[str, float]:
    """map@k for each k, ascending, and map of `metrics.average_precision`, by cosine.

    Items at the same cosine are ordered by database position.

    Args:
        query_outputs: (q, c) real values; a row of zeros has cosine 0 to all.
        database_outputs: (n, c), likewise.
        query_labels: (q, L) uint8, non-zero where the row has the label.
        database_labels: (n, L), likewise.
        at: Every k, from 1.

    Raises:
        ValueError: Arrays that do not fit each other, an empty side, or one without any label.
    """
    space = search(pack(query_outputs), pack(database_outputs), query_labels, database_labels)
    query, database = _unit(query_outputs), _unit(database_outputs)
    found = []
    for part in space.parts():
        order = np.argsort(-(query[part] @ database.T), axis=1, kind="stable")
        ranked = Ranked.by(order, space.shared(part))
        found.append(average_precision(ranked, [*at, len(database)]))
    means = np.concatenate(found).mean(axis=0)
    return dict(zip([*(f"map@{k}" for k in at), "map"], means.tolist(), strict=True))


def _unit(outputs: NDArray[Any]) -> Floats:
    """Rows of unit length in whole steps."""
    values = outputs.astype(np.float64)
    length = np.sqrt((values * values).sum(axis=1, keepdims=True))
    rounded: Floats = np.rint(values / np.where(length > 0, length, 1) * STEPS)
    return rounded
