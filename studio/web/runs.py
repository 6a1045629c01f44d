"""Pages of the runs: the list, one run, several beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from studio.errors import StudioError
from studio.runs.compare import Table, table
from studio.runs.curves import Curve, curves
from studio.runs.export import to_csv, to_latex, to_markdown
from studio.runs.metrics import best
from studio.runs.model import Run
from studio.web.drawing import curve_chart
from studio.web.pages import number, page, site_of, to
from studio.web.run_list import View, cells, groups_of, viewed
from studio.web.site import Site

router = APIRouter()
MOST = 20
FIRST = 2
"""Curves that are drawn where none is picked."""
FORMS = {
    "csv": (to_csv, "text/csv"),
    "markdown": (to_markdown, "text/markdown"),
    "latex": (to_latex, "application/x-tex"),
}
BETTER = {"maximize": "higher", "minimize": "lower"}


@router.get("/runs")
def listed(request: Request) -> Response:
    """All runs, as the address says: filtered, sorted, grouped, with the columns chosen."""
    site, view = site_of(request), View.of(request.query_params)
    found = viewed(site, view)
    rows = found.runs[view.offset : view.offset + view.rows]
    return page(
        request,
        "runs.html",
        view=view,
        columns=found.columns,
        all_columns=found.all_columns,
        total=len(found.runs),
        rows=cells(found, rows, site.stars.ids()),
        groups=groups_of(found) if view.group else [],
        query=urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "form"]),
        earlier=view.after(len(found.runs)),
        notes=[site.runs.stand().problem] if site.runs.stand().problem else [],
    )


@router.get("/runs/export")
def exported(request: Request, form: str = "csv") -> Response:
    """The same list in a file."""
    if form not in FORMS:
        raise StudioError(f"no form '{form}'; known: {', '.join(FORMS)}")
    found = viewed(site_of(request), View.of(request.query_params))
    write, kind = FORMS[form]
    metrics = [name for name in found.columns if name in found.metrics]
    params = [name for name in found.columns if name not in found.metrics]
    return PlainTextResponse(write(found.runs, params, metrics), media_type=kind)


@router.get("/runs/{name:path}")
def one(request: Request, name: str) -> Response:
    """One run against the one it is based on."""
    site = site_of(request)
    run = site.runs.run(name)
    base = _base(site, run)
    beside = table([base, run] if base else [run])
    return page(
        request,
        "run.html",
        run=run,
        base=base,
        starred=run.id in site.stars.ids(),
        changed=[(p.name, *p.values) for p in beside.params if p.differs] if base else [],
        metrics=[_against(row, bool(base)) for row in beside.metrics],
        **_curves(site, [run], request.query_params.getlist("curve")),
        checkpoints=[each for each in site.checkpoints.listed() if run in each.runs],
    )


@router.post("/stars/{name:path}")
def star(request: Request, name: str) -> Response:
    """Star a run, or take its star away."""
    site = site_of(request)
    run = site.runs.run(name)
    change = site.stars.unstar if run.id in site.stars.ids() else site.stars.star
    change(run.id)
    return to(f"/runs/{run.id}")


@router.post("/models/{number}/delete")
def delete_model(request: Request, number: str) -> Response:
    """Remove a model from the cache; only one that was listed."""
    site_of(request).checkpoints.delete(number)
    return to("/runs")


@router.get("/compare")
def compared(
    request: Request,
    run: list[str] = Query(default=[]),
    all: bool = False,
    metric: str = "",
    curve: list[str] = Query(default=[]),
) -> Response:
    """Several runs: what differs, the best values, curves over each other."""
    if not run:
        return RedirectResponse("/runs")
    if len(run) > MOST:
        raise StudioError(f"at most {MOST} runs beside each other; got {len(run)}")
    site = site_of(request)
    runs = site.runs.pick(list(dict.fromkeys(run)))
    found = table(runs)
    other = [(k, v) for k, v in request.query_params.multi_items() if k != "all"]
    return page(
        request,
        "compare.html",
        runs=runs,
        all=all,
        metric=metric,
        toggle=f"/compare?{urlencode([*other, *([] if all else [('all', '1')])])}",
        params=[_param(row) for row in found.params if all or row.differs],
        metrics=_metric_rows(found, metric, all),
        **_curves(site, runs, curve),
    )


def _base(site: Site, run: Run) -> Run | None:
    """The run that it is based on; of the working tree the commit below it."""
    runs = site.runs.runs()
    if run.baseline:
        return next((each for each in runs if each.id == run.baseline), None)
    if run.id == "workspace":
        return next((each for each in runs[1:] if each.kind in ("branch", "commit")), None)
    return None


def _against(row: Any, beside: bool) -> dict[str, Any]:
    before, value = (row.values[0] if beside else None), row.values[-1]
    both = before is not None and value is not None
    return {
        "name": row.name,
        "value": value,
        "margin": row.margins[-1],
        "base": before,
        "difference": value - before if both else None,
        "better": BETTER[row.direction],
    }


def _param(row: Any) -> dict[str, Any]:
    found = [{"value": value, "odd": n in row.outliers} for n, value in enumerate(row.values)]
    return {"name": row.name, "cells": found}


def _metric_rows(found: Table, wanted: str, all_: bool) -> list[dict[str, Any]]:
    rows = []
    for row in found.metrics:
        if wanted.lower() in row.name.lower() and (all_ or len({*row.values}) > 1):
            texts = [
                number(value) + (f" ± {number(margin)}" if margin is not None else "")
                for value, margin in zip(row.values, row.margins)
            ]
            marked = [{"text": t, "best": n in row.best} for n, t in enumerate(texts)]
            rows.append({"name": row.name, "better": BETTER[row.direction], "cells": marked})
    return rows


def _curves(site: Site, runs: Sequence[Run], wanted: Sequence[str]) -> dict[str, Any]:
    """Charts of the curves that are wanted, or else the first ones; and all that there are."""
    found: dict[str, dict[str, Curve]] = {}
    for run in runs:
        try:
            for curve in curves(site.files.of(run)):
                found.setdefault(curve.id, {})[run.name] = curve
        except StudioError:  # not saved yet
            continue
    picked = [name for name in found if name in wanted] or list(found)[:FIRST]
    return {
        "curves": [_drawn(found[name]) for name in picked],
        "known": {name: next(iter(of.values())).title for name, of in found.items()},
        "picked": picked,
    }


def _drawn(of: dict[str, Curve]) -> dict[str, Any]:
    curve = next(iter(of.values()))
    rows = [
        (run, series, x, y)
        for run, each in of.items()
        for series, points in each.series.items()
        for x, y in points
    ]
    head = ["run", "series", curve.x_label, curve.y_label]
    return {
        "title": curve.title,
        "chart": curve_chart(curve, of),
        "head": head,
        "rows": rows,
        "ends": [_end(name, points) for name, points in curve.series.items()],
    }


def _end(name: str, points: list[tuple[float, float]]) -> dict[str, Any]:
    values = [y for _, y in points]
    top = min(best(values, "maximize"))
    low = min(best(values, "minimize"))
    return {
        "name": name,
        "last": points[-1][1],
        "highest": points[top],
        "lowest": points[low],
    }
