"""How the server and its project stand."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from studio.jobs.model import Job
from studio.runners.dvc import head
from studio.runs.store import Stand
from studio.web.api.here import Here

router = APIRouter()


class State(BaseModel):
    """The project's name and commit, the age of the list of runs, the jobs that wait or run."""

    project: str
    head: str | None
    runs: Stand
    live: list[Job]


@router.get("/state")
def state(site: Here) -> State:
    """What to ask for first."""
    return State(
        project=site.project.resolve().name,
        head=head(site.project),
        runs=site.runs.stand(),
        live=site.board.live(),
    )
