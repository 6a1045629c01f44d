"""Both directions of search, and the unimodal ones, and what metrics files say of them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from agch.bootstrap import margin
from agch.codes import Bytes
from agch.cosine import cosine_map
from agch.metrics import Evaluation, evaluate
from agch.schema import section

Rows = NDArray[np.int64]
Scores = dict[str, list[float]]

METRIC = re.compile(r"map|p@radius2|(map|p|recall|ndcg)@[1-9][0-9]{0,8}")
DIRECTIONS = {
    "i2t": ("image", "text"),
    "t2i": ("text", "image"),
    "i2i": ("image", "image"),
    "t2t": ("text", "text"),
}
ACROSS = ("i2t", "t2i")
UNORDERED = ("p@radius2",)
"""Metrics that no order of ties changes: they are told once."""
UNMEASURED = (
    "Retrieval cannot be measured: the data has no labels, and an item is relevant to a query if "
    "they share one. Everything else is there."
)
CURVE = (1, 10, 20, 50, 100, 200, 400, 600, 800, *range(1000, 5001, 500))
"""Where P@k and map@k are drawn, as far as the database reaches."""


def _known(names: tuple[str, ...]) -> tuple[str, ...]:
    known = "known are map, map@k, p@k, recall@k, ndcg@k with k from 1, and p@radius2"
    if not names:
        raise ValueError(f"name at least one; {known}")
    for name in names:
        if not METRIC.fullmatch(name):
            raise ValueError(f"unknown metric '{name}'; {known}")
    return names


@section
class EvaluateParams:
    """Section `evaluate`."""

    metrics: Annotated[tuple[str, ...], AfterValidator(_known)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]

    @property
    def at(self) -> list[int]:
        """The k of the metrics, ascending."""
        ends = (name.partition("@")[2] for name in self.metrics)
        return sorted({int(end) for end in ends if end.isdigit()})


def directions(
    codes: Mapping[str, Bytes],
    label: Bytes,
    query: Rows,
    database: Rows,
    params: EvaluateParams,
    names: Sequence[str] = tuple(DIRECTIONS),
    device: str = "cpu",
) -> dict[str, Evaluation]:
    """Evaluate each named direction.

    Args:
        codes: Packed codes of all rows by modality (`image`, `text`), (n, c/8).
        label: (n, l) 0/1; a pair is relevant if it shares a label.
        query: (q,) rows that search. database: (b,) rows that are searched, in the order that the
            stable rule breaks ties by.
        params: The metrics; across modalities the points of the curves are added.
        names: Keys of `DIRECTIONS`.
        device: See `metrics.evaluate`.
    """
    found = {}
    for name in names:
        asked, searched = DIRECTIONS[name]
        points = curve(len(database)) if name in ACROSS else []
        found[name] = evaluate(
            codes[asked][query],
            codes[searched][database],
            label[query],
            label[database],
            at=[*params.at, *points],
            device=device,
        )
    return found


def curve(database: int) -> list[int]:
    """The cut-offs of the curves for a database of this many rows."""
    return [k for k in CURVE if k <= database]


def in_a_line(found: Mapping[str, Evaluation], params: EvaluateParams) -> str:
    """The first metric across the modalities."""
    name = params.metrics[0]
    means = {direction: found[direction].means("stable")[name] for direction in ACROSS}
    return f"{name} " + ", ".join(f"{direction} {mean:.3f}" for direction, mean in means.items())


def summary(found: Mapping[str, Evaluation], params: EvaluateParams) -> dict[str, Any]:
    """What a metrics file says of each direction, the scores of the stable rule first.

    Across modalities: every metric; again under `expected`; and under `margin` half the width of
    the 95 % interval of the stable one. Within one, which is a diagnostic: the first two.
    """
    told: dict[str, Any] = {}
    for direction, evaluation in found.items():
        stable, expected = evaluation.means("stable"), evaluation.means("expected")
        if direction in ACROSS:
            told[direction] = {name: stable[name] for name in params.metrics}
            ordered = [name for name in params.metrics if name not in UNORDERED]
            told[direction]["expected"] = {name: expected[name] for name in ordered}
            told[direction]["margin"] = {
                name: margin(evaluation.stable[name], params.seed) for name in params.metrics
            }
        else:
            told[direction] = {name: stable[name] for name in params.metrics[:2]}
    return told


def per_query(found: Mapping[str, Evaluation], params: EvaluateParams) -> Scores:
    """Every query's score under the stable rule, in columns such as `i2t map@50`."""
    return {
        f"{direction} {name}": found[direction].stable[name].tolist()
        for direction in ACROSS
        for name in params.metrics
    }


def cosine(
    outputs: Mapping[str, NDArray[np.float32]],
    label: Bytes,
    query: Rows,
    database: Rows,
    params: EvaluateParams,
) -> dict[str, dict[str, float]]:
    """map@k and map across the modalities when the outputs before the sign are ranked by cosine."""
    sides = label[query], label[database]
    at = [k for k in params.at if f"map@{k}" in params.metrics]
    return {
        name: cosine_map(
            outputs[DIRECTIONS[name][0]][query], outputs[DIRECTIONS[name][1]][database], *sides, at
        )
        for name in ACROSS
    }
