"""Where a run came from, as far as the studio has made it: its job or trial, its log, its time."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from studio.errors import NotFound, StudioError
from studio.jobs.model import Job
from studio.promotion import PROMOTED
from studio.runs.model import Run
from studio.store import FOLDER
from studio.trials import Trial
from studio.web.site import Site

JOBS = 500
"""Of the last so many jobs one may have made the run."""
MAKING = ("queued", "running", "done")
"""States of a job that makes, or has made, what it is about."""
TAIL = 1 << 14
"""Bytes of the end of a log that are shown."""


@dataclass(frozen=True)
class Origin:
    """What is known.

    Attributes:
        made_by: In words, and link: the page of what made it.
        seconds: What it took.
        log: The end of what it printed.
    """

    made_by: str = ""
    link: str = ""
    seconds: float | None = None
    log: str = ""


def origin(site: Site, run: Run) -> Origin:
    """Where a run came from; nothing is known of one that was made without the studio."""
    for name in run.names:
        if (found := _trial(site, name)) or (found := _promoted(site, name)):
            return found
        jobs = (job for job in site.board.jobs(0, JOBS) if job.state in MAKING)
        if job := next((j for j in jobs if (j.kind, j.subject) == ("run", name)), None):
            log = site.board.log_tail(job.id)
            return Origin(f"job {job.id}", f"/jobs/{job.id}", _seconds(job), log)
    return Origin()


def taken(trial: Trial) -> float | None:
    """Seconds that a trial took; `None` before it has ended."""
    notes = trial.notes
    return notes["ended"] - notes["started_at"] if {"ended", "started_at"} <= {*notes} else None


def log_of(site: Site, name: str) -> str:
    """The end of the log of an experiment of a study, by a name that the studio has given it."""
    path = site.project / FOLDER / "logs" / f"{Path(name).name}.log"
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, 2) - TAIL, 0))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""


def _trial(site: Site, name: str) -> Origin | None:
    study, mark, number = name.rpartition("-")
    if mark and number.isdecimal() and study in site.store.names():
        for trial in site.study(study).trials():
            if trial.notes.get("experiment") == name:
                link = f"/studies/{study}/trials/{trial.number}"
                return Origin(
                    f"trial {trial.number} of {study}", link, taken(trial), log_of(site, name)
                )
    return None


def _promoted(site: Site, name: str) -> Origin | None:
    for study in site.store.names():
        with suppress(StudioError):
            if found := site.study(study).notes.get(f"{PROMOTED}{name}"):
                by = f"trial {found['trial']} of {study}, with all epochs and rows"
                seconds = None
                with suppress(NotFound):  # made on the command line
                    seconds = _seconds(site.board.job(found["job"]))
                return Origin(by, f"/studies/{study}", seconds, log_of(site, name))
    return None


def _seconds(job: Job) -> float | None:
    if not job.started or not job.ended:
        return None
    times = (datetime.fromisoformat(text) for text in (job.ended, job.started))
    ended, started = times
    return (ended - started).total_seconds()
