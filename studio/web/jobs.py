"""Pages of the jobs: all of them, a new one, one with its log."""

from __future__ import annotations

from contextlib import suppress

from fastapi import APIRouter, Request, Response

from studio.errors import NotFound
from studio.jobs.kinds import reproduce_job, run_job, stage_job, stage_names
from studio.jobs.model import Job
from studio.promotion import PROMOTED
from studio.web.forms import Form
from studio.web.pages import page, site_of, to
from studio.web.site import Site

router = APIRouter(include_in_schema=False)
ROWS = 50


@router.get("/jobs")
def jobs(request: Request, offset: int = 0) -> Response:
    """Newest first, a page at a time, and the forms of what can be run."""
    site = site_of(request)
    start = min(max(offset, 0), 10**6)
    found = site.board.jobs(start, ROWS + 1)
    return page(
        request,
        "jobs.html",
        jobs=found[:ROWS],
        later=start + ROWS if len(found) > ROWS else None,
        stages=stage_names(site.project),
    )


@router.post("/jobs")
def submitted(request: Request, form: Form) -> Response:
    """Queue a job of the form."""
    site = site_of(request)
    kind = str(form.get("kind", ""))
    if kind == "reproduce":
        made = reproduce_job(site.project)
    elif kind == "stage":
        made = stage_job(site.project, str(form.get("stage", "")))
    else:
        changes = [line for line in str(form.get("changes", "")).splitlines() if line.strip()]
        made = run_job(site.project, str(form.get("name", "")), changes, site.other_params())
    return to(f"/jobs/{site.board.submit(*made).id}")


@router.get("/jobs/{number}")
def job(request: Request, number: str) -> Response:
    """One job: state, progress, the end of its log."""
    site = site_of(request)
    found = site.board.job(number)
    log, (made, link) = site.board.log_tail(found.id), _result(site, found)
    return page(request, "job.html", job=found, log=log, made=made, link=link)


@router.post("/jobs/{number}/cancel")
def cancel(request: Request, number: str) -> Response:
    """Stop it, or take it from the queue."""
    site_of(request).board.cancel(number)
    return to(f"/jobs/{number}")


def _result(site: Site, job: Job) -> tuple[str, str]:
    """What a job is about, or has made: in words, and its page; empty where there is none."""
    if job.kind == "study":
        return f"study {job.subject}", f"/studies/{job.subject}"
    if job.state != "done":
        return "", ""
    if job.kind == "run":
        return f"run {job.subject}", f"/runs/{job.subject}"
    if job.kind == "promote":
        found = _promoted(site, job)
        return (f"run {found}", f"/runs/{found}") if found else ("", "")
    return "the run of the working tree", "/runs/workspace"


def _promoted(site: Site, job: Job) -> str:
    """The experiment that a promotion has made; none if its study is gone."""
    with suppress(NotFound):
        for key, about in site.study(job.subject).notes.items():
            if key.startswith(PROMOTED) and about["job"] == job.id:
                return key.removeprefix(PROMOTED)
    return ""
