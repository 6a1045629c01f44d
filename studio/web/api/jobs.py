"""Jobs: the queue, one job, its log."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from studio.jobs.kinds import promote_job, reproduce_job, run_job, stage_job, stage_names
from studio.jobs.model import Job
from studio.web import study_jobs
from studio.web.api.here import Here, Limit, Offset, Part

router = APIRouter()


class JobRequest(BaseModel):
    """A job to be.

    `name` is that of the stage, of the study, or of the experiment that is to be made; `changes`
    are lines such as `fit.rate=0.5`; `trial` is the one to promote, by default the best.
    """

    kind: Literal["reproduce", "stage", "run", "study", "promote"]
    name: str = ""
    changes: list[str] = Field(default_factory=list, max_length=1000)
    trial: int | None = Field(default=None, ge=0)


class Piece(BaseModel):
    """Some of a log, and the byte to go on from."""

    text: str
    next: int


@router.get("/jobs")
def jobs(
    site: Here,
    live: Annotated[bool, Query(description="Only what waits or runs, first one first.")] = False,
    offset: Offset = 0,
    limit: Limit = 50,
) -> Part[Job]:
    """All of them, newest first."""
    if live:
        found = site.board.live()
        total, items = len(found), found[offset : offset + limit]
    else:
        total, items = site.board.count(), site.board.jobs(offset, limit)
    return Part(total=total, offset=offset, limit=limit, items=items)


@router.post("/jobs", status_code=201)
def submitted(site: Here, asked: JobRequest) -> Job:
    """Queue a job."""
    match asked.kind:
        case "reproduce":
            order = reproduce_job(site.project)
        case "stage":
            order = stage_job(site.project, asked.name)
        case "run":
            order = run_job(site.project, asked.name, asked.changes, site.other_params())
        case "promote":
            order = promote_job(site.store, asked.name, asked.trial, site.storage)
        case "study":
            return study_jobs.start(site, asked.name)
    return site.board.submit(*order)


@router.get("/jobs/{number}")
def job(site: Here, number: str) -> Job:
    """One job."""
    return site.board.job(number)


@router.get("/jobs/{number}/log")
def log(site: Here, number: str, after: Annotated[int, Query(ge=0)] = 0) -> Piece:
    """Its log from a byte on; `next` is where to go on."""
    text, place = site.board.log(number, after)
    return Piece(text=text, next=place)


@router.post("/jobs/{number}/cancel")
def cancel(site: Here, number: str) -> Job:
    """Stop it, or take it from the queue."""
    return site.board.cancel(number)


@router.get("/stages")
def stages(site: Here) -> list[str]:
    """The names of those that a job may rebuild."""
    return stage_names(site.project)
