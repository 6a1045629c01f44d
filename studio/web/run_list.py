"""The list of runs as an address asks for it: filter, order, columns, groups."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

from starlette.datastructures import QueryParams

from studio.runs import metrics
from studio.runs.compare import differing
from studio.runs.groups import Group, grouped
from studio.runs.model import Run
from studio.runs.values import equal, shown
from studio.trials import Direction
from studio.web.pages import number
from studio.web.site import Site

ROWS = 200
FIRST = 6
"""Metrics that are columns where none is chosen."""
DIGITS = 7
"""Of an offset, at most."""
WORDS = re.compile(r"""(?:"[^"]*"|\[[^\]]*\]|\S)+""")
"""Of a filter: brackets and quotes keep what is in them together."""
Item = TypeVar("Item")


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
            int(offset) if re.fullmatch(rf"[0-9]{{1,{DIGITS}}}", offset) else 0,
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
    columns = [name for name in view.columns if name in known] or [*names[:FIRST], *differ]
    given = site.directions(everything)
    if view.sort in known:
        runs = _sorted(runs, lambda run: _value(run, view.sort), view.order, given, view.sort)
    return Found(runs, columns, names, differ, same, given)


def groups(found: Found, view: View) -> list[Group]:
    """Over seeds; in the order of their means where the list is sorted by a metric."""
    made = grouped(found.runs)
    if view.sort not in found.metrics:
        return made
    return _sorted(made, lambda group: mean(group, view.sort), view.order, found.given, view.sort)


def mean(group: Group, name: str) -> float | None:
    """Of a metric over the runs of a group that have it."""
    return group.metrics[name].mean if name in group.metrics else None


def brief(value: Any) -> str:
    """A parameter as the list shows it."""
    return number(value) if isinstance(value, float) else shown(value)


def _holds(run: Run, wanted: str) -> bool:
    """Whether a run has all words of a filter: parts of its name, and values of parameters."""
    for word in WORDS.findall(wanted):
        name, equals, value = word.partition("=")
        if equals:
            if name not in run.params or not _is(run.params[name], value):
                return False
        elif word.lower() not in run.name.lower():
            return False
    return True


def _is(value: Any, wanted: str) -> bool:
    """Whether a value is the one that was typed, as it is or as the list shows it."""
    if wanted == brief(value):
        return True
    try:
        return equal(value, json.loads(wanted))
    except ValueError:
        return False  # another text


def _value(run: Run, name: str) -> Any:
    of: Mapping[str, Any] = run.metrics if name in run.metrics else run.params
    return of.get(name)


def _sorted(
    items: Sequence[Item],
    value: Callable[[Item], Any],
    order: str,
    given: Mapping[str, Direction],
    name: str,
) -> list[Item]:
    """By a column; what lacks it, and NaN, comes last."""
    pairs = [(value(item), item) for item in items]
    having = [pair for pair in pairs if pair[0] is not None and pair[0] == pair[0]]
    lacking = [item for found, item in pairs if found is None or found != found]
    numbers = all(isinstance(found, int | float) for found, _ in having)
    down = order == "down"
    if order == "best" and numbers:
        down = metrics.direction(name, given) == "maximize"
    having.sort(key=lambda pair: pair[0] if numbers else shown(pair[0]), reverse=down)
    return [*(item for _, item in having), *lacking]
