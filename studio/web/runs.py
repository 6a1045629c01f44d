"""Pages of the runs: the list, and one run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request, Response
from fastapi.responses import PlainTextResponse

from studio.errors import NotFound
from studio.runs.compare import table
from studio.runs.curves import Curve, Points
from studio.runs.export import of_groups, of_runs, to_csv, to_latex, to_markdown
from studio.runs.metrics import best, by_words
from studio.runs.model import WORKSPACE, Run
from studio.web.cells import BETTER, cells, group_cells, param_cells
from studio.web.origins import origin
from studio.web.pages import page, site_of, to
from studio.web.run_list import View, groups, viewed
from studio.web.site import Site

router = APIRouter(include_in_schema=False)
TIME = re.compile(
    r"(?<![a-z])(step|epoch|iter|iteration|batch|round)(s|es)?(?![a-z])", re.IGNORECASE
)
"""What x counts where a curve has an end and a best value."""
FORMS = {
    "csv": (to_csv, "text/csv"),
    "markdown": (to_markdown, "text/markdown"),
    "latex": (to_latex, "application/x-tex"),
}


@router.get("/runs")
def listed(request: Request) -> Response:
    """All runs, as the address says: filtered, sorted, grouped, with the columns chosen."""
    site, view = site_of(request), View.of(request.query_params)
    found, stand = viewed(site, view), site.runs.stand()
    rows = found.runs[view.offset : view.offset + view.rows]
    return page(
        request,
        "runs.html",
        view=view,
        found=found,
        total=len(found.runs),
        rows=cells(found, rows, site.stars.ids()),
        groups=group_cells(found, groups(found, view)) if view.group else [],
        query=urlencode([(k, v) for k, v in request.query_params.multi_items() if k != "form"]),
        later=view.after(len(found.runs)),
        refreshing=stand.refreshing,
        notes=[stand.problem] if stand.problem else [],
    )


@router.get("/runs/export")
def exported(request: Request, form: str = "csv") -> Response:
    """The same list in a file."""
    return export(site_of(request), View.of(request.query_params), form)


@router.get("/runs/{name:path}")
def one(request: Request, name: str) -> Response:
    """One run against the one it is based on."""
    site = site_of(request)
    run = site.runs.run(name)
    base = base_of(site, run)
    beside = table([base, run] if base else [run], site.directions([run]))
    adapter = site.adapter
    return page(
        request,
        "run.html",
        run=run,
        base=base,
        epochs=run.params.get(adapter.epochs) if adapter else None,
        origin=origin(site, run),
        starred=run.id in site.stars.ids(),
        changed=[param_cells(row) for row in beside.params if row.differs] if base else [],
        metrics=[_against(row, bool(base)) for row in beside.metrics],
        curves=[_summary(run, curve) for curve in site.curves(run)],
        lacking=site.lacking(run),
        refreshing=site.runs.stand().refreshing,
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


def export(site: Site, view: View, form: str) -> Response:
    """The list of a view as CSV, Markdown or LaTeX, of runs or of groups.

    Raises:
        NotFound: There is no such form.
    """
    if form not in FORMS:
        raise NotFound(f"no form '{form}'; known: {', '.join(FORMS)}")
    found = viewed(site, view)
    write, kind = FORMS[form]
    metrics = [name for name in found.columns if name in found.metrics]
    params = [name for name in found.columns if name not in found.metrics]
    if view.group:
        sheet = of_groups(groups(found, view), params, metrics)
    else:
        sheet = of_runs(found.runs, params, metrics)
    return PlainTextResponse(write(sheet), media_type=kind)


def base_of(site: Site, run: Run) -> Run | None:
    """The run that it is based on; of the working tree the commit below it."""
    runs = site.runs.runs()
    if run.baseline:
        return next((each for each in runs if each.id == run.baseline), None)
    if run.id == WORKSPACE:
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


def _summary(run: Run, curve: Curve) -> dict[str, Any]:
    """How each line of a curve ends, and where it is best, if it goes on with time."""
    query = urlencode([("run", run.id), ("curve", curve.id)])
    series = curve.series if TIME.search(curve.x) else {}
    ends = [_end(curve, name, points) for name, points in series.items()]
    return {"title": curve.title, "x": curve.x_label, "url": f"/compare/curve?{query}"} | {
        "ends": ends
    }


def _end(curve: Curve, name: str, points: Points) -> dict[str, Any]:
    way = by_words(f"{curve.y_label} {name.rpartition(':')[2]}")
    values: Sequence[float] = [y for _, y in points]
    at, top = points[min(best(values, way))]
    return {"name": name, "last": values[-1], "best": top, "at": at, "better": BETTER[way]}
