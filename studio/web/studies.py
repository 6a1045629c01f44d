"""Pages of the studies: all of them, a new one, one as it stands."""

from __future__ import annotations

from typing import Any

import yaml
from fastapi import APIRouter, Request, Response
from starlette.datastructures import FormData

from studio.adapters import Adapter
from studio.creation import RUNNERS, create
from studio.engines import list_engines
from studio.errors import StudioError
from studio.importance import importance
from studio.jobs.kinds import promote_job, study_job
from studio.proposal import proposed
from studio.space import Param, Space, parse
from studio.standing import stand
from studio.web.drawing import study_charts
from studio.web.pages import page, site_of, to
from studio.web.site import Site
from studio.words import in_words
from studio.written import Loader

router = APIRouter()
PRUNERS = ("none", "median", "hyperband", "asha")


@router.get("/studies")
def studies(request: Request) -> Response:
    """All studies with their state and best score."""
    site = site_of(request)
    rows = [stand(site.study(name)) for name in site.store.names()]
    jobs = {job.subject: job for job in site.board.live() if job.kind == "study"}
    return page(request, "studies.html", rows=rows, jobs=jobs, adapter=site.adapter)


@router.get("/studies/new")
def new(request: Request) -> Response:
    """The form, filled in with what the adapter recommends."""
    adapter = _adapter(site_of(request))
    return page(
        request,
        "study_new.html",
        params=list(parse(adapter.search_ranges())),
        objective=adapter.objectives[0],
        engines=sorted(list_engines(), key=lambda name: name != "optuna"),
        pruners=PRUNERS,
        runners=RUNNERS,
    )


@router.post("/studies")
async def made(request: Request) -> Response:
    """Create the study of the form, and run it if that was asked for."""
    form = await request.form()
    site, name = site_of(request), str(form.get("name", "")).strip()
    adapter = _adapter(site)
    settings = proposed(site.project, adapter, space_of(form, adapter), asked_of(form))
    create(site.store, name, settings)
    if form.get("start"):
        site.board.submit(*study_job(site.store, name, site.storage))
    return to(f"/studies/{name}")


@router.get("/studies/{name}")
def study(request: Request, name: str) -> Response:
    """One study as it stands; asks for itself again while it runs."""
    site = site_of(request)
    found = site.study(name)
    job = next(
        (job for job in site.board.live() if (job.kind, job.subject) == ("study", name)), None
    )
    try:
        shares, why = importance(found), ""
    except StudioError as error:
        shares, why = {}, str(error)
    trials = found.trials()
    return page(
        request,
        "study.html",
        study=found,
        stand=stand(found),
        words=list(in_words(found.settings)),
        trials=sorted(trials, key=lambda trial: -trial.number),
        names=[name for name in found.space.searched],
        importance=shares,
        why=why,
        charts=study_charts(found, trials),
        job=job,
    )


@router.post("/studies/{name}/run")
def run(request: Request, name: str) -> Response:
    """Run the trials that are left, as a job."""
    site = site_of(request)
    site.board.submit(*study_job(site.store, name, site.storage))
    return to(f"/studies/{name}")


@router.post("/studies/{name}/promote")
async def promote(request: Request, name: str) -> Response:
    """Make an experiment of a trial, as a job."""
    site, form = site_of(request), await request.form()
    number = str(form.get("trial", ""))
    if number and not number.isdecimal():
        raise StudioError(f"a trial is told by its number; got '{number}'")
    job = site.board.submit(
        *promote_job(site.store, name, int(number) if number else None, site.storage)
    )
    return to(f"/jobs/{job.id}")


def _adapter(site: Site) -> Adapter:
    adapter = site.adapter
    if adapter is None:
        raise StudioError(
            "no adapter knows the parameters of this project; one says which ranges to search "
            "(docs/studies.md, plugins)"
        )
    return adapter


def asked_of(form: FormData) -> dict[str, Any]:
    """The settings of a form's fields; an empty one is not asked for."""
    kinds: dict[str, Any] = {"n_trials": int, "search_epochs": int, "subset_ratio": float}
    kinds |= {"timeout": float, "jobs": int, "keep": int, "seed": int, "engine": str, "runner": str}
    found: dict[str, Any] = {"options": {"pruner": str(form.get("pruner") or "none")}}
    for name, kind in kinds.items():
        text = str(form.get(name) or "").strip()
        try:
            found |= {name: kind(text)} if text else {}
        except ValueError:
            raise StudioError(f"{name} must be a number; got '{text}'") from None
    objectives = str(form.get("objectives") or "").split()
    return found | {"objectives": objectives}


def space_of(form: FormData, adapter: Adapter) -> Space:
    """The adapter's ranges with each parameter searched, fixed, or left alone as the form says."""
    recommended = parse(adapter.search_ranges())
    changes = {param.name: _changed(form, param) for param in recommended}
    for line in str(form.get("more") or "").splitlines():
        name, equals, given = line.partition("=")
        if equals:
            changes[name.strip()] = _read(given)
    return recommended.changed(changes)


def _changed(form: FormData, param: Param) -> Any:
    mode = form.get(f"mode:{param.name}", "search")
    if mode == "fix":
        return _read(str(form.get(f"value:{param.name}", "")))
    if mode == "leave":
        return None
    described = param.described()
    for end in ("low", "high"):
        if text := str(form.get(f"{end}:{param.name}") or ""):
            described[end] = _read(text)
    return described


def _read(text: str) -> Any:
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise StudioError(f"cannot read '{text}': {error}") from None
