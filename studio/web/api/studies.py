"""Studies: all of them, a new one, one with its trials, what runs it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from studio.creation import RUNNERS, create
from studio.engines import list_engines
from studio.importance import noted
from studio.jobs.kinds import promote_job
from studio.jobs.model import Job
from studio.proposal import proposed
from studio.space import parse
from studio.standing import stand
from studio.study import Settings
from studio.web import study_jobs
from studio.web.api.here import Here, Limit, Offset, Part
from studio.web.api.models import Importance, StudyEntry, TrialDetail, TrialEntry
from studio.web.origins import log_of, taken
from studio.web.api.study_request import StudyRequest
from studio.web.site import Site
from studio.web.studies import trial_of
from studio.web.study_form import adapter_of, pruners

router = APIRouter()


class AdapterEntry(BaseModel):
    """What a new study can be made of; `ranges` are those that the adapter recommends."""

    name: str
    objectives: list[str]
    epochs: str
    subset: str
    ranges: dict[str, Any]
    engines: list[str]
    pruners: list[str]
    runners: list[str]


class Promotion(BaseModel):
    """The trial to make an experiment of; the best one if none is named."""

    trial: int | None = Field(default=None, ge=0)


@router.get("/adapter")
def adapter(site: Here) -> AdapterEntry:
    """The project's own."""
    found = adapter_of(site)
    return AdapterEntry(
        name=found.name,
        objectives=list(found.objectives),
        epochs=found.epochs,
        subset=found.subset,
        ranges=parse(found.search_ranges()).described(),
        engines=list_engines(),
        pruners=pruners(),
        runners=list(RUNNERS),
    )


@router.get("/studies")
def studies(site: Here, offset: Offset = 0, limit: Limit = 100) -> Part[StudyEntry]:
    """How all studies stand."""
    names = site.store.names()
    items = [_entry(site, name) for name in names[offset : offset + limit]]
    return Part(total=len(names), offset=offset, limit=limit, items=items)


@router.post("/studies", status_code=201)
def made(site: Here, asked: StudyRequest) -> StudyEntry:
    """A new study; it runs once a job runs it."""
    found = adapter_of(site)
    space = parse(found.search_ranges() if asked.space is None else asked.written_space())
    settings = proposed(site.project, found, space, asked.settings())
    create(site.store, asked.name, settings, site.study(asked.after) if asked.after else None)
    return _entry(site, asked.name)


@router.get("/studies/{name}")
def study(site: Here, name: str) -> StudyEntry:
    """How one study stands."""
    return _entry(site, name)


@router.get("/studies/{name}/settings")
def settings(site: Here, name: str) -> Settings:
    """All that it was created with."""
    return site.study(name).settings


@router.get("/studies/{name}/trials")
def trials(site: Here, name: str, offset: Offset = 0, limit: Limit = 100) -> Part[TrialEntry]:
    """Its trials, by number."""
    found = site.study(name).trials()
    items = [_trial(asdict(each)) for each in found[offset : offset + limit]]
    return Part(total=len(found), offset=offset, limit=limit, items=items)


@router.get("/studies/{name}/trials/{number}")
def trial(site: Here, name: str, number: int) -> TrialDetail:
    """One of its trials."""
    found, experiment = trial_of(site, name, number), site.study(name).experiment(number)
    fields = vars(_trial(asdict(found)))
    return TrialDetail(**fields, seconds=taken(found), log=log_of(site, experiment))


@router.get("/studies/{name}/importance")
def importance(site: Here, name: str) -> Importance:
    """Which parameters matter; a problem that says why where there is nothing to say."""
    return Importance(**noted(site.study(name)))


@router.post("/studies/{name}/run", status_code=201)
def run(site: Here, name: str) -> Job:
    """Queue a job for the trials that are left."""
    return study_jobs.start(site, name)


@router.post("/studies/{name}/stop")
def stop(site: Here, name: str) -> Job:
    """Have its job ended; what is done stays, and it can go on later."""
    return study_jobs.stop(site, name)


@router.post("/studies/{name}/promote", status_code=201)
def promote(site: Here, name: str, asked: Promotion) -> Job:
    """Queue a job that makes an experiment of a trial, with all epochs and data."""
    return site.board.submit(*promote_job(site.store, name, asked.trial, site.storage))


def _entry(site: Site, name: str) -> StudyEntry:
    job = study_jobs.live_job(site, name)
    return StudyEntry(**stand(site.study(name)), job=job.id if job else None)


def _trial(fields: dict[str, Any]) -> TrialEntry:
    reports = {str(step): score for step, score in fields["reports"].items()}
    return TrialEntry(**{**fields, "reports": reports})
