"""Pages of the jobs: all of them, a new one, one with its log."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from studio.jobs.kinds import reproduce_job, run_job, stage_job, stage_names
from studio.web.pages import page, site_of, to

router = APIRouter()
ROWS = 50


@router.get("/jobs")
def jobs(request: Request, offset: int = 0) -> Response:
    """Newest first, a page at a time, and the forms of what can be run."""
    site = site_of(request)
    found = site.board.jobs(max(offset, 0), ROWS + 1)
    return page(
        request,
        "jobs.html",
        jobs=found[:ROWS],
        later=offset + ROWS if len(found) > ROWS else None,
        stages=stage_names(site.project),
    )


@router.post("/jobs")
async def submitted(request: Request) -> Response:
    """Queue a job of the form."""
    site, form = site_of(request), await request.form()
    kind = str(form.get("kind", ""))
    if kind == "reproduce":
        made = reproduce_job(site.project)
    elif kind == "stage":
        made = stage_job(site.project, str(form.get("stage", "")))
    else:
        changes = str(form.get("changes", "")).splitlines()
        made = run_job(site.project, str(form.get("name", "")), [c for c in changes if c.strip()])
    return to(f"/jobs/{site.board.submit(*made).id}")


@router.get("/jobs/{number}")
def job(request: Request, number: str) -> Response:
    """One job: state, progress, the end of its log."""
    board = site_of(request).board
    found = board.job(number)
    return page(request, "job.html", job=found, log=board.log_tail(found.id))


@router.post("/jobs/{number}/cancel")
def cancel(request: Request, number: str) -> Response:
    """Stop it, or take it from the queue."""
    site_of(request).board.cancel(number)
    return to(f"/jobs/{number}")
