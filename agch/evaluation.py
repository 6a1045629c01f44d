"""Both directions of search, and the unimodal ones, over one split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from agch.metrics import Evaluation, evaluate
from agch.schema import section

Bytes = NDArray[np.uint8]
Rows = NDArray[np.int64]
Cutoff = Annotated[int, Field(ge=1)]

DIRECTIONS = {
    "i2t": ("image", "text"),
    "t2i": ("text", "image"),
    "i2i": ("image", "image"),
    "t2t": ("text", "text"),
}
ACROSS = ("i2t", "t2i")
CURVE = (1, 10, 20, 50, 100, 200, 400, 600, 800, *range(1000, 5001, 500))
"""Where P@k is drawn, as far as the database reaches."""


@section
class EvaluateParams:
    """Section `evaluate`: cut-offs of the metrics."""

    map_at: Cutoff
    precision_at: tuple[Cutoff, ...]


def directions(
    codes: Mapping[str, Bytes],
    label: Bytes,
    query: Rows,
    database: Rows,
    params: EvaluateParams,
    names: Sequence[str] = tuple(DIRECTIONS),
) -> dict[str, Evaluation]:
    """Evaluate each named direction.

    Args:
        codes: Packed codes of all rows by modality (`image`, `text`), (n, c/8).
        label: (n, l) 0/1; a pair is relevant if it shares a label.
        query: (q,) rows that search. database: (b,) rows that are searched, in the order that the
            stable rule breaks ties by.
        params: Cut-offs; the points of the P@k curve are added.
        names: Keys of `DIRECTIONS`.
    """
    cutoffs = sorted({*params.precision_at, *curve(len(database))})
    return {
        name: evaluate(
            codes[DIRECTIONS[name][0]][query],
            codes[DIRECTIONS[name][1]][database],
            label[query],
            label[database],
            map_at=params.map_at,
            precision_at=cutoffs,
        )
        for name in names
    }


def curve(database: int) -> list[int]:
    """The cut-offs of the P@k curve for a database of this many rows."""
    return [k for k in CURVE if k <= database]


def in_a_line(found: Mapping[str, Evaluation], params: EvaluateParams) -> str:
    """map@k across the modalities."""
    name = f"map@{params.map_at}"
    return f"{name} " + ", ".join(f"{d} {found[d].stable[name]:.3f}" for d in ACROSS)


def summary(found: Mapping[str, Evaluation], params: EvaluateParams) -> dict[str, Any]:
    """What a metrics file says of each direction, the scores of the stable rule first.

    Across modalities: every score asked for, and again under `expected`. Within one, which is a
    diagnostic: map@k and map.
    """
    maps = [f"map@{params.map_at}", "map"]
    names = [*maps, *(f"p@{k}" for k in params.precision_at)]
    told: dict[str, Any] = {}
    for direction, scores in found.items():
        if direction in ACROSS:
            told[direction] = {name: scores.stable[name] for name in names}
            told[direction]["expected"] = {name: scores.expected[name] for name in names}
        else:
            told[direction] = {name: scores.stable[name] for name in maps}
    return told
