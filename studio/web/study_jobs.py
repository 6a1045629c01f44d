"""The job that runs a study: one at a time."""

from __future__ import annotations

from studio.errors import StudioError
from studio.jobs.kinds import study_job
from studio.jobs.model import Job
from studio.web.site import Site


def live_job(site: Site, name: str) -> Job | None:
    """The one that runs it, or waits to."""
    live = site.board.live()
    return next((job for job in live if (job.kind, job.subject) == ("study", name)), None)


def start(site: Site, name: str) -> Job:
    """Queue a job for the trials that are left.

    Raises:
        StudioError: There is no such study, or one runs it already.
    """
    return site.board.submit(*study_job(site.store, name, site.storage))


def stop(site: Site, name: str) -> Job:
    """Have its job ended; trials that are done stay, and the study can go on later.

    Raises:
        StudioError: There is no such study, or nothing runs it.
    """
    site.study(name)
    job = live_job(site, name)
    if job is None:
        raise StudioError(f"study '{name}' does not run; there is nothing to stop")
    return site.board.cancel(job.id)
