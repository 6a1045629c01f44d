"""Models of the runs in DVC's cache."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from studio.runs.checkpoints import Checkpoint
from studio.web.api.here import Here, Limit, Offset, Part
from studio.web.api.models import CheckpointEntry

router = APIRouter()


class Freed(BaseModel):
    """Bytes that are free now."""

    freed: int


@router.get("/checkpoints")
def checkpoints(site: Here, offset: Offset = 0, limit: Limit = 100) -> Part[CheckpointEntry]:
    """All of them, in the order of the runs."""
    found = site.checkpoints.listed()
    items = [described(each) for each in found[offset : offset + limit]]
    return Part(total=len(found), offset=offset, limit=limit, items=items)


@router.delete("/checkpoints/{id}")
def deleted(site: Here, id: str) -> Freed:
    """Remove one from the cache; only one that is listed, and that nothing but experiments has."""
    return Freed(freed=site.checkpoints.delete(id))


def described(found: Checkpoint) -> CheckpointEntry:
    """As the API has it."""
    fields = {**vars(found), "runs": [run.id for run in found.runs]}
    return CheckpointEntry.model_validate(fields)
