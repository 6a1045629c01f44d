"""The same as JSON, under `/api/v1`; described by `/api/v1/openapi.json`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from studio.cli_json import plain
from studio.creation import create
from studio.errors import StudioError
from studio.importance import importance
from studio.jobs.kinds import promote_job, reproduce_job, run_job, stage_job, study_job
from studio.proposal import proposed
from studio.runs.compare import table
from studio.runs.curves import curves
from studio.runs.model import to_json
from studio.space import parse
from studio.standing import stand
from studio.web.pages import site_of

router = APIRouter(prefix="/api/v1")
Offset = Annotated[int, Query(ge=0, le=10**6)]
Limit = Annotated[int, Query(ge=1, le=1000)]


class StudyRequest(BaseModel):
    """A study to be; what is left out is as the adapter recommends."""

    name: str
    space: dict[str, Any] | None = None
    objectives: list[str] = Field(default_factory=list)
    n_trials: int = 30
    engine: str = "optuna"
    pruner: str = "none"
    runner: str = "dvc"
    search_epochs: int | None = None
    subset_ratio: float | None = None
    timeout: float | None = None
    jobs: int = 1
    keep: int | None = None
    seed: int = 0


class JobRequest(BaseModel):
    """A job to be: `reproduce`, `stage`, `run`, `study` or `promote`."""

    kind: str
    name: str = ""
    changes: list[str] = Field(default_factory=list)
    trial: int | None = None


def answer(found: Any, status: int = 200) -> JSONResponse:
    """As JSON has it: a number that is none is null."""
    return JSONResponse(plain(found), status)


@router.get("/runs")
def runs(request: Request, offset: Offset = 0, limit: Limit = 100) -> JSONResponse:
    """All runs, a page at a time."""
    found = site_of(request).runs.runs()
    part = [to_json(run) for run in found[offset : offset + limit]]
    return answer({"total": len(found), "offset": offset, "runs": part})


@router.get("/runs/{name:path}")
def run(request: Request, name: str) -> JSONResponse:
    """One run, with its curves."""
    site = site_of(request)
    found = site.runs.run(name)
    drawn = [asdict(curve) for curve in curves(site.files.of(found))]
    return answer({**to_json(found), "curves": drawn})


@router.get("/compare")
def compare(request: Request, run: Annotated[list[str], Query(max_length=20)]) -> JSONResponse:
    """Parameters and metrics of several runs, with the best values and the odd ones."""
    found = table(site_of(request).runs.pick(run))
    return answer(
        {
            "params": [asdict(r) | {"outliers": sorted(r.outliers)} for r in found.params],
            "metrics": [asdict(r) | {"best": sorted(r.best)} for r in found.metrics],
        }
    )


@router.get("/studies")
def studies(request: Request) -> JSONResponse:
    """How all studies stand."""
    site = site_of(request)
    return answer([stand(site.study(name)) for name in site.store.names()])


@router.post("/studies", status_code=201)
def made(request: Request, asked: StudyRequest) -> JSONResponse:
    """A new study."""
    site = site_of(request)
    adapter = site.adapter
    if adapter is None:
        raise StudioError("no adapter knows the parameters of this project")
    space = parse(asked.space if asked.space is not None else adapter.search_ranges())
    fields = asked.model_dump(exclude={"name", "space", "pruner"})
    settings = proposed(
        site.project, adapter, space, {**fields, "options": {"pruner": asked.pruner}}
    )
    create(site.store, asked.name, settings)
    return answer(stand(site.study(asked.name)), 201)


@router.get("/studies/{name}")
def study(request: Request, name: str) -> JSONResponse:
    """How one study stands."""
    return answer(stand(site_of(request).study(name)))


@router.get("/studies/{name}/trials")
def trials(request: Request, name: str, offset: Offset = 0, limit: Limit = 100) -> JSONResponse:
    """Its trials, a page at a time."""
    found = site_of(request).study(name).trials()
    part = [asdict(trial) for trial in found[offset : offset + limit]]
    return answer({"total": len(found), "offset": offset, "trials": part})


@router.get("/studies/{name}/importance")
def shares(request: Request, name: str) -> JSONResponse:
    """Which parameters matter; a problem that says why there is nothing to say."""
    return answer(importance(site_of(request).study(name)))


@router.get("/jobs")
def jobs(request: Request, offset: Offset = 0, limit: Limit = 50) -> JSONResponse:
    """Newest first, a page at a time."""
    board = site_of(request).board
    part = [asdict(job) for job in board.jobs(offset, limit)]
    return answer({"total": board.count(), "offset": offset, "jobs": part})


@router.post("/jobs", status_code=201)
def submitted(request: Request, asked: JobRequest) -> JSONResponse:
    """Queue a job."""
    site = site_of(request)
    if asked.kind == "reproduce":
        order = reproduce_job(site.project)
    elif asked.kind == "stage":
        order = stage_job(site.project, asked.name)
    elif asked.kind == "run":
        order = run_job(site.project, asked.name, asked.changes)
    elif asked.kind == "study":
        order = study_job(site.store, asked.name, site.storage)
    elif asked.kind == "promote":
        order = promote_job(site.store, asked.name, asked.trial, site.storage)
    else:
        raise StudioError(f"no kind '{asked.kind}'; known: reproduce, stage, run, study, promote")
    return answer(asdict(site.board.submit(*order)), 201)


@router.get("/jobs/{number}")
def job(request: Request, number: str) -> JSONResponse:
    """One job."""
    return answer(asdict(site_of(request).board.job(number)))


@router.get("/jobs/{number}/log")
def log(request: Request, number: str, after: Annotated[int, Query(ge=0)] = 0) -> JSONResponse:
    """Its log from a place on, and where to go on."""
    text, place = site_of(request).board.log(number, after)
    return answer({"text": text, "next": place})


@router.post("/jobs/{number}/cancel")
def cancel(request: Request, number: str) -> JSONResponse:
    """Stop it, or take it from the queue."""
    return answer(asdict(site_of(request).board.cancel(number)))
