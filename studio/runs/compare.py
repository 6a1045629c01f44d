"""Runs beside each other: which parameters differ, which runs are best."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from studio.runs import metrics
from studio.runs.model import Run
from studio.runs.values import equal, same, shown
from studio.trials import Direction

MANY = 3
"""Runs of which one may stand out."""


@dataclass(frozen=True)
class ParamRow:
    """A parameter over runs: as text, None where a run lacks it; the places of odd ones."""

    name: str
    values: list[str | None]
    differs: bool
    outliers: frozenset[int]


@dataclass(frozen=True)
class MetricRow:
    """A metric over runs, None where a run lacks it.

    Attributes:
        margins: Half widths of intervals around the values.
        best: The places of the best value, all of them at a tie.
    """

    name: str
    direction: Direction
    values: list[float | None]
    margins: list[float | None]
    best: frozenset[int]


@dataclass(frozen=True)
class Table:
    """Parameters and metrics, in the order of the first run that has each."""

    params: list[ParamRow]
    metrics: list[MetricRow]


def differing(runs: Sequence[Run]) -> list[str]:
    """The names of the parameters that are not the same, or missing, in some of the runs."""
    return [name for name in _names(runs) if _differs(runs, name)]


def outliers(values: Sequence[str | None]) -> frozenset[int]:
    """The places of values that one of three or more runs has alone, while half of them agree."""
    counts = Counter(values)
    if len(values) < MANY or 2 * max(counts.values()) < len(values):
        return frozenset()
    return frozenset(place for place, value in enumerate(values) if counts[value] == 1)


def table(runs: Sequence[Run], given: Mapping[str, Direction] | None = None) -> Table:
    """All parameters and metrics of the runs; margins stand beside their metrics.

    Args:
        runs: In the order of the columns.
        given: Which way metrics are better, by name, where it is known.
    """
    found = dict.fromkeys(name for run in runs for name in metrics.names(run.metrics))
    margins = [metrics.margins(run.metrics) for run in runs]
    rows = []
    for name in found:
        way = metrics.direction(name, given or {})
        values = [run.metrics.get(name) for run in runs]
        widths = [of_run.get(name) for of_run in margins]
        rows.append(MetricRow(name, way, values, widths, metrics.best(values, way)))
    return Table(_params(runs), rows)


def _params(runs: Sequence[Run]) -> list[ParamRow]:
    rows = []
    for name in _names(runs):
        having = [name in run.params for run in runs]
        texts = [same(run.params[name]) if has else None for run, has in zip(runs, having)]
        values = [shown(run.params[name]) if has else None for run, has in zip(runs, having)]
        rows.append(ParamRow(name, values, len({*texts}) > 1, outliers(texts)))
    return rows


def _names(runs: Sequence[Run]) -> list[str]:
    """Of all parameters."""
    return list(dict.fromkeys(name for run in runs for name in run.params))


def _differs(runs: Sequence[Run], name: str) -> bool:
    """Whether some run has another value than the first one, or one of them has none."""
    if not all(name in run.params for run in runs):
        return True
    return not all(equal(run.params[name], runs[0].params[name]) for run in runs[1:])
