"""Pages of the studies: all of them, one as it stands, one of its trials."""

from __future__ import annotations

import re

from fastapi import APIRouter, Request, Response

from studio.errors import NotFound, StudioError
from studio.importance import noted
from studio.jobs.kinds import promote_job
from studio.jobs.model import Job
from studio.standing import stand
from studio.trials import Trial
from studio.web.dashboard import DASHBOARD, dashboard_id
from studio.web.drawing import drawn
from studio.web.forms import Form
from studio.web.origins import log_of, taken
from studio.web.pages import page, site_of, to
from studio.web.site import Site
from studio.web.study_charts import study_charts
from studio.web.study_jobs import live_job, start, stop
from studio.words import in_words

router = APIRouter(include_in_schema=False)
TITLES = {
    "history": "Objective of each trial",
    "pareto": "Trials by their objectives",
    "parallel": "Parameters side by side",
}


@router.get("/studies")
def studies(request: Request) -> Response:
    """All studies with their state and best score."""
    site = site_of(request)
    rows = [stand(site.study(name)) for name in site.store.names()]
    return page(request, "studies.html", rows=rows, jobs=jobs_of(site), adapter=site.adapter)


@router.get("/studies/{name}")
def study(request: Request, name: str) -> Response:
    """One study as it stands; asks for itself again while it runs."""
    site = site_of(request)
    found = site.study(name)
    try:
        shares, why = noted(found), ""
    except StudioError as error:
        shares, why = {}, str(error)
    trials = found.trials()
    version = sum(trial.state != "running" for trial in trials)
    return page(
        request,
        "study.html",
        study=found,
        stand=stand(found),
        words=list(in_words(found.settings)),
        trials=sorted(trials, key=lambda trial: -trial.number),
        names=found.space.searched,
        importance=shares,
        why=why,
        charts=[
            {"title": TITLES[what], "url": f"/studies/{name}/charts/{what}?version={version}"}
            | {"about": f"of study {name}"}
            for what in study_charts(found, trials)
        ],
        job=live_job(site, name),
        expert=dashboard_id(site.store, name),
        expert_path=DASHBOARD,
    )


@router.get("/studies/{name}/charts/{what}")
def chart(request: Request, name: str, what: str, form: str = "json") -> Response:
    """What can be drawn of a study, as a spec or as a picture."""
    found = site_of(request).study(name)
    charts = study_charts(found, found.trials())
    if what not in charts:
        raise NotFound(f"no chart '{what}' of study '{name}' yet; there is {', '.join(charts)}")
    return drawn(charts[what](), form)


@router.get("/studies/{name}/trials/{number}")
def trial(request: Request, name: str, number: int) -> Response:
    """One trial: its parameters, what it reported, the end of its log."""
    site = site_of(request)
    found, one = site.study(name), trial_of(site, name, number)
    return page(
        request,
        "trial.html",
        study=found,
        trial=one,
        taken=taken(one),
        log=log_of(site, found.experiment(number)),
        best=number in [each["trial"] for each in stand(found)["best"]],
        kept=any(found.experiment(number) in run.names for run in site.runs.runs()),
    )


@router.post("/studies/{name}/run")
def run(request: Request, name: str) -> Response:
    """Run the trials that are left, as a job."""
    start(site_of(request), name)
    return to(f"/studies/{name}")


@router.post("/studies/{name}/stop")
def end(request: Request, name: str) -> Response:
    """Have the job ended that runs them."""
    stop(site_of(request), name)
    return to(f"/studies/{name}")


@router.post("/studies/{name}/promote")
def promote(request: Request, name: str, form: Form) -> Response:
    """Make an experiment of a trial, as a job."""
    site = site_of(request)
    number = str(form.get("trial", ""))
    if not re.fullmatch("[0-9]{0,9}", number):
        raise StudioError(f"a trial is told by its number; got '{number}'")
    job = site.board.submit(
        *promote_job(site.store, name, int(number) if number else None, site.storage)
    )
    return to(f"/jobs/{job.id}")


def jobs_of(site: Site) -> dict[str, Job]:
    """The jobs that run studies now, or are about to, by the name of the study."""
    return {job.subject: job for job in site.board.live() if job.kind == "study"}


def trial_of(site: Site, name: str, number: int) -> Trial:
    """One trial of a study.

    Raises:
        NotFound: There is none of this number, or no such study.
    """
    trials = site.study(name).trials()
    found = next((trial for trial in trials if trial.number == number), None)
    if found is None:
        raise NotFound(f"study '{name}' has no trial {number}; it has {len(trials)}")
    return found
