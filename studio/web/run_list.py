"""The list of runs as an address asks for it: filter, order, columns, groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from studio.runs import metrics
from studio.runs.compare import differing
from studio.runs.groups import grouped
from studio.runs.model import Run
from studio.runs.values import shown
from studio.trials import Direction
from studio.web.pages import number
from studio.web.site import Site

ROWS = 200
FIRST = 6
"""Columns of each kind where none is chosen."""


@dataclass(frozen=True)
class View:
    """What the address says.

    Attributes:
        filter: Words of a name, or `param=value`; all must hold.
        sort: A column; none: as the runs come. order: `best`, `up` or `down`.
        columns: Chosen ones; none: the parameters that differ, and the first metrics.
        group: Over seeds. starred: Starred runs only.
    """

    filter: str = ""
    sort: str = ""
    order: str = "best"
    columns: tuple[str, ...] = ()
    group: bool = False
    starred: bool = False
    offset: int = 0
    rows: int = ROWS

    @staticmethod
    def of(query: QueryParams) -> View:
        """That of an address; what makes no sense counts as nothing."""
        offset = query.get("offset", "0")
        return View(
            query.get("filter", "").strip(),
            query.get("sort", ""),
            query.get("order", "best"),
            tuple(query.getlist("column")),
            query.get("group") == "1",
            query.get("starred") == "1",
            min(int(offset), 10**6) if offset.isascii() and offset.isdecimal() else 0,
        )

    def after(self, total: int) -> str | None:
        """The query of the next rows."""
        if self.offset + self.rows >= total:
            return None
        fields = {"filter": self.filter, "sort": self.sort, "order": self.order}
        fields |= {"starred": "1"} if self.starred else {}
        columns = [("column", name) for name in self.columns]
        return urlencode([*fields.items(), *columns, ("offset", str(self.offset + self.rows))])


@dataclass(frozen=True)
class Found:
    """The runs of a view, its columns, and what columns there are: parameters differ or not."""

    runs: list[Run]
    columns: list[str]
    metrics: list[str]
    differing: list[str]
    same: list[str]
    given: dict[str, Direction]

    @property
    def heads(self) -> list[tuple[str, str]]:
        """Columns with how they are called: without the file where that is clear."""
        keys = [name.rpartition(":")[2] for name in self.columns]
        return [(n, key if keys.count(key) == 1 else n) for n, key in zip(self.columns, keys)]


def viewed(site: Site, view: View) -> Found:
    """The runs that a view shows, in its order."""
    everything = site.runs.runs()
    stars = site.stars.ids() if view.starred else None
    runs = [run for run in everything if _holds(run, view.filter)]
    runs = [run for run in runs if stars is None or run.id in stars]
    names = list(dict.fromkeys(n for run in everything for n in metrics.names(run.metrics)))
    differ = differing(everything)
    same = [
        n for n in dict.fromkeys(n for run in everything for n in run.params) if n not in differ
    ]
    known = {*names, *differ, *same}
    columns = [name for name in view.columns if name in known] or [*names[:FIRST], *differ[:FIRST]]
    given = site.directions(everything)
    if view.sort in known:
        runs = _sorted(runs, view, metrics.direction(view.sort, given))
    return Found(runs, columns, names, differ, same, given)


def cells(found: Found, runs: Sequence[Run], stars: set[str]) -> list[dict[str, Any]]:
    """Rows of the table, the best of each metric marked by its direction."""
    tops: dict[str, frozenset[int]] = {}
    for name in found.columns:
        if name in found.metrics:
            values = [run.metrics.get(name) for run in runs]
            tops[name] = metrics.best(values, metrics.direction(name, found.given))
    return [
        {
            "run": run,
            "starred": run.id in stars,
            "cells": [
                {"text": _text(run, name), "best": place in tops.get(name, ())}
                for name in found.columns
            ],
        }
        for place, run in enumerate(runs)
    ]


def groups_of(found: Found) -> list[dict[str, Any]]:
    """Groups over seeds: mean ± standard deviation (how many)."""
    rows = []
    for group in grouped(found.runs):
        texts = []
        for name in found.columns:
            spread = group.metrics.get(name)
            if spread is None:
                texts.append(shown(group.params[name]) if name in group.params else "–")
            elif spread.deviation is None:
                texts.append(number(spread.mean))
            else:
                texts.append(f"{number(spread.mean)} ± {number(spread.deviation)} ({spread.n})")
        rows.append({"label": group.runs[0].name, "runs": group.runs, "cells": texts})
    return rows


def _text(run: Run, name: str) -> str:
    if name in run.metrics:
        return number(run.metrics[name])
    value = run.params.get(name)
    if isinstance(value, float):
        return number(value)
    return shown(value) if name in run.params else "–"


def _holds(run: Run, wanted: str) -> bool:
    for word in wanted.split():
        name, equals, value = word.partition("=")
        if equals:
            if name not in run.params or shown(run.params[name]) != value:
                return False
        elif word.lower() not in run.name.lower():
            return False
    return True


def _sorted(runs: Sequence[Run], view: View, way: Direction) -> list[Run]:
    """By a column; runs that lack it, and NaN, come last."""

    def value(run: Run) -> Any:
        of: Mapping[str, Any] = run.metrics if view.sort in run.metrics else run.params
        return of.get(view.sort)

    having = [run for run in runs if value(run) is not None and value(run) == value(run)]
    numbers = all(isinstance(value(run), int | float) for run in having)
    down = view.order == "down"
    if view.order == "best" and numbers:
        down = way == "maximize"
    having = sorted(
        having, key=lambda run: value(run) if numbers else shown(value(run)), reverse=down
    )
    return [*having, *(run for run in runs if run not in having)]
