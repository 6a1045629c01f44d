"""What tables of runs show in their cells."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from studio.runs import metrics
from studio.runs.compare import ParamRow
from studio.runs.groups import Group
from studio.runs.model import Run
from studio.runs.values import shown
from studio.web.pages import number
from studio.web.run_list import Found, brief, mean

BETTER = {"maximize": "higher", "minimize": "lower"}
LONG = re.compile(r"-?\d+\.\d{5,}(e[+-]?\d+)?")
"""Numbers with digits that nobody reads."""


def param_cells(row: ParamRow) -> dict[str, Any]:
    """A parameter over runs, its numbers short unless they would look the same then."""
    short = [_brief(value) for value in row.values]
    texts = short if len({*short}) == len({*row.values}) else row.values
    found = [
        {"text": text, "exact": value if text != value else "", "odd": n in row.outliers}
        for n, (text, value) in enumerate(zip(texts, row.values))
    ]
    return {"name": row.name, "cells": found}


def cells(found: Found, runs: Sequence[Run], stars: set[str]) -> list[dict[str, Any]]:
    """Rows of the table; of each metric the best in the whole list is marked, by its direction."""
    places = _best(found, lambda name: [run.metrics.get(name) for run in found.runs])
    tops = {name: {found.runs[place].id for place in best} for name, best in places.items()}
    return [
        {
            "run": run,
            "starred": run.id in stars,
            "cells": [
                {"text": _text(run, name), "best": run.id in tops.get(name, ())}
                for name in found.columns
            ],
        }
        for run in runs
    ]


def group_cells(found: Found, made: Sequence[Group]) -> list[dict[str, Any]]:
    """Rows of groups: mean ± standard deviation (how many), the best mean marked."""
    tops = _best(found, lambda name: [mean(group, name) for group in made])
    return [
        {
            "label": group.runs[0].name,
            "runs": group.runs,
            "cells": [
                {"text": _group_text(group, name), "best": place in tops.get(name, ())}
                for name in found.columns
            ],
        }
        for place, group in enumerate(made)
    ]


def _best(
    found: Found, values: Callable[[str], Sequence[float | None]]
) -> dict[str, frozenset[int]]:
    """The places of the best values of each metric that is a column."""
    names = [name for name in found.columns if name in found.metrics]
    return {
        name: metrics.best(values(name), metrics.direction(name, found.given)) for name in names
    }


def _group_text(group: Group, name: str) -> str:
    spread = group.metrics.get(name)
    if spread is None:
        return shown(group.params[name]) if name in group.params else "–"
    if spread.deviation is None:
        return number(spread.mean)
    return f"{number(spread.mean)} ± {number(spread.deviation)} ({spread.n})"


def _text(run: Run, name: str) -> str:
    if name in run.metrics:
        return number(run.metrics[name])
    return brief(run.params[name]) if name in run.params else "–"


def _brief(value: str | None) -> str | None:
    """A number without the digits that nobody reads."""
    if value is None or not LONG.fullmatch(value):
        return value
    return number(float(value))
