"""Runs: the list as its page shows it, one run, stars."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Query, Response

from studio.runs.compare import table
from studio.runs.groups import Group
from studio.web.api.checkpoints import described
from studio.web.api.here import Here, Limit, Offset, Part
from studio.web import run_list
from studio.web.api.models import (
    Change,
    GroupEntry,
    OriginEntry,
    RunDetail,
    RunEntry,
    Runs,
    Spread,
    entry,
)
from studio.web.origins import origin
from studio.web.run_list import View, viewed
from studio.web.runs import base_of, export

router = APIRouter()
TEXTS: dict[str, Any] = {"text/csv": {}, "text/markdown": {}, "application/x-tex": {}}


async def _view(
    filter: Annotated[str, Query(description="Words of a name, `param=value`; all hold.")] = "",
    sort: Annotated[str, Query(description="A parameter or a metric.")] = "",
    order: Literal["best", "up", "down"] = "best",
    column: Annotated[list[str], Query(description="Only these; all, if none is named.")] = [],
    starred: bool = False,
    offset: Offset = 0,
    limit: Limit = 100,
) -> View:
    return View(
        filter=filter.strip(),
        sort=sort,
        order=order,
        columns=tuple(column),
        starred=starred,
        offset=offset,
        rows=limit,
    )


Asked = Annotated[View, Depends(_view)]


@router.get("/runs")
def runs(site: Here, view: Asked) -> Runs:
    """Runs, filtered and sorted; each with the chosen columns alone if some are chosen."""
    found, stars = viewed(site, view), site.stars.ids()
    items = [
        RunEntry(**_narrowed(entry(run, stars), view))
        for run in found.runs[view.offset : view.offset + view.rows]
    ]
    part = Part(total=len(found.runs), offset=view.offset, limit=view.rows, items=items)
    return Runs(**vars(part), columns=found.columns)


@router.get("/groups")
def groups(site: Here, view: Asked) -> Part[GroupEntry]:
    """The same runs, grouped over seeds: mean and standard deviation of each metric.

    Sorted by a metric, the groups are in the order of its means.
    """
    found = run_list.groups(viewed(site, view), view)
    part = found[view.offset : view.offset + view.rows]
    items = [GroupEntry(**_narrowed(_group(each), view)) for each in part]
    return Part(total=len(found), offset=view.offset, limit=view.rows, items=items)


@router.get("/export", response_class=Response, responses={200: {"content": TEXTS}})
def exported(
    site: Here, view: Asked, form: Literal["csv", "markdown", "latex"], group: bool = False
) -> Response:
    """All of these runs, or their groups over seeds, in a file, with the columns of the page."""
    return export(site, replace(view, group=group), form)


@router.get("/runs/{name:path}")
def run(site: Here, name: str) -> RunDetail:
    """One run, by its id or its name, and what changed against the one it is based on."""
    found = site.runs.run(name)
    base = base_of(site, found)
    rows = table([base, found]).params if base else []
    changed = [row for row in rows if row.differs]
    return RunDetail(
        **entry(found, site.stars.ids()),
        origin=OriginEntry(**vars(origin(site, found))),
        lacking=site.lacking(found),
        changed=[Change(name=r.name, before=r.values[0], after=r.values[1]) for r in changed],
        curves=list(site.curves(found)),
        checkpoints=[described(c) for c in site.checkpoints.listed() if found in c.runs],
    )


@router.put("/stars/{name:path}", status_code=204)
def star(site: Here, name: str) -> None:
    """Give a run a star."""
    site.stars.star(site.runs.run(name).id)


@router.delete("/stars/{name:path}", status_code=204)
def unstar(site: Here, name: str) -> None:
    """Take its star away; by the id also that of a run which is gone."""
    site.stars.unstar(name if name in site.stars.ids() else site.runs.run(name).id)


def _narrowed(fields: dict[str, Any], view: View) -> dict[str, Any]:
    """With the chosen columns alone."""
    if not view.columns:
        return fields
    kinds = ("params", "metrics")
    chosen = {kind: {n: v for n, v in fields[kind].items() if n in view.columns} for kind in kinds}
    return {**fields, **chosen}


def _group(group: Group) -> dict[str, Any]:
    return {
        "name": group.runs[0].name,
        "runs": [run.id for run in group.runs],
        "params": group.params,
        "metrics": {name: Spread(**vars(each)) for name, each in group.metrics.items()},
    }
