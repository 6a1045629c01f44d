"""Several runs beside each other: what differs, the best values, curves over each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from studio.errors import NotFound, StudioError
from studio.runs.compare import Table, table
from studio.runs.curves import Curve
from studio.runs.export import curve_csv
from studio.runs.model import Run
from studio.web.cells import BETTER, param_cells
from studio.web.drawing import curve_chart, drawn
from studio.web.pages import number, page, site_of
from studio.web.site import Site

router = APIRouter(include_in_schema=False)
MOST = 20
FIRST = 4
"""Curves that are drawn where none is picked."""


@router.get("/compare")
def compared(
    request: Request,
    run: list[str] = Query(default=[]),
    all: bool = False,
    metric: str = "",
    curve: list[str] = Query(default=[]),
) -> Response:
    """The runs of the address."""
    if not run:
        raise StudioError("there is nothing to compare; tick at least one run of the list")
    site = site_of(request)
    runs = picked(site, run)
    found, known = table(runs, site.directions(runs)), shared(site, runs)
    drawn_ = [name for name in known if name in curve] or list(known)[:FIRST]
    other = [(k, v) for k, v in request.query_params.multi_items() if k != "all"]
    return page(
        request,
        "compare.html",
        runs=runs,
        all=all,
        metric=metric,
        toggle=f"/compare?{urlencode([*other, *([] if all else [('all', '1')])])}",
        params=[param_cells(row) for row in found.params if all or row.differs],
        metrics=_metric_rows(found, metric, all),
        known={name: next(iter(of.values())).title for name, of in known.items()},
        picked=drawn_,
        charts=[_chart(runs, name, known[name]) for name in drawn_],
        refreshing=site.runs.stand().refreshing,
    )


@router.get("/compare/curve")
def curve_of(
    request: Request, curve: str, run: list[str] = Query(min_length=1), form: str = "json"
) -> Response:
    """One curve of some runs: a spec, a picture, or its points as CSV."""
    site = site_of(request)
    runs = picked(site, run)
    of = shared(site, runs).get(curve)
    if of is None:
        raise NotFound(f"these runs have no curve '{curve}'")
    if form == "csv":
        return PlainTextResponse(curve_csv(of), media_type="text/csv")
    return drawn(curve_chart(of, labels(runs)), form)


def picked(site: Site, names: Sequence[str]) -> list[Run]:
    """The runs of these names, each once.

    Raises:
        StudioError: They are too many, or one of them does not exist.
    """
    if len(names) > MOST:
        raise StudioError(f"at most {MOST} runs beside each other; got {len(names)}")
    return list({run.id: run for run in site.runs.pick(names)}.values())


def shared(site: Site, runs: Sequence[Run]) -> dict[str, dict[str, Curve]]:
    """All curves that one of the runs has, by id and then by the label of the run."""
    found: dict[str, dict[str, Curve]] = {}
    for run, label in zip(runs, labels(runs)):
        for curve in site.curves(run):
            found.setdefault(curve.id, {})[label] = curve
    return found


def labels(runs: Sequence[Run]) -> list[str]:
    """Their names; with the commit where two are called the same."""
    counts = Counter(run.names[0] for run in runs)
    return [
        run.names[0] if counts[run.names[0]] == 1 else f"{run.names[0]} ({run.id[:7]})"
        for run in runs
    ]


def _chart(runs: Sequence[Run], name: str, of: dict[str, Curve]) -> dict[str, str]:
    query = urlencode([*(("run", run.id) for run in runs), ("curve", name)])
    title = next(iter(of.values())).title
    return {"url": f"/compare/curve?{query}", "title": title, "about": f"of {', '.join(of)}"}


def _metric_rows(found: Table, wanted: str, all_: bool) -> list[dict[str, Any]]:
    rows = []
    for row in found.metrics:
        if wanted.lower() in row.name.lower() and (all_ or len({*row.values}) > 1):
            texts = [
                number(value) + (f" ± {margin:.2g}" if margin is not None else "")
                for value, margin in zip(row.values, row.margins)
            ]
            marked = [{"text": t, "best": n in row.best} for n, t in enumerate(texts)]
            rows.append({"name": row.name, "better": BETTER[row.direction], "cells": marked})
    return rows
