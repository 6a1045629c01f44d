"""Runs, studies and trials as the API has them; numbers that are not finite are null."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from studio.runs.curves import Curve
from studio.runs.model import Kind, Out, Run
from studio.runs.model import State as RunState
from studio.trials import State as TrialState
from studio.web.api.here import Part

Number = float | None


class RunEntry(BaseModel):
    """A run; of a commit the id is its digest."""

    id: str
    name: str
    kind: Kind
    baseline: str | None
    created: str | None
    state: RunState
    error: str | None
    params: dict[str, Any]
    metrics: dict[str, Number]
    outs: list[Out]
    starred: bool


class Runs(Part[RunEntry]):
    """Runs of a view, and the columns that its page has."""

    columns: list[str]


class Change(BaseModel):
    """A parameter that is not as in the run before; null where a run lacks it."""

    name: str
    before: str | None
    after: str | None


class CheckpointEntry(BaseModel):
    """A model: its size in bytes, whether the cache has it, ids of the runs that have it.

    What `kept_by` names is the reason why it is not deleted.
    """

    id: str
    paths: list[str]
    size: int | None
    cached: bool
    runs: list[str]
    kept_by: list[str]


class OriginEntry(BaseModel):
    """What made a run, in words and as a path, in how many seconds; the end of its log.

    All of it is empty where the run was made without the studio.
    """

    made_by: str
    link: str
    seconds: Number
    log: str


class RunDetail(RunEntry):
    """A run with its curves and models, and what changed against the one it is based on.

    `lacking` has the outputs with curves that are not in DVC's cache.
    """

    origin: OriginEntry
    changed: list[Change]
    lacking: list[str]
    curves: list[Curve]
    checkpoints: list[CheckpointEntry]


class Spread(BaseModel):
    """A metric over repeats: mean, standard deviation (null of a single one), count."""

    mean: Number
    deviation: Number
    n: int


class GroupEntry(BaseModel):
    """Runs that differ in seeds alone, by their ids."""

    name: str
    runs: list[str]
    params: dict[str, Any]
    metrics: dict[str, Spread]


class BestTrial(BaseModel):
    """A trial that no other one beats."""

    trial: int
    scores: list[Number]


class Promoted(BaseModel):
    """The experiment that was made of a trial."""

    trial: int
    experiment: str


class StudyEntry(BaseModel):
    """How a study stands; `job` is the number of the job that runs it."""

    name: str
    n_trials: int
    states: dict[str, int]
    engine: str
    engine_used: str
    best: list[BestTrial]
    promoted: Promoted | None
    job: str | None


class TrialEntry(BaseModel):
    """A trial; reports are by step."""

    number: int
    values: dict[str, Any]
    state: TrialState
    scores: list[Number]
    reports: dict[str, Number]
    notes: dict[str, Any]


class TrialDetail(TrialEntry):
    """A trial with the seconds that it took and the end of its log."""

    seconds: Number
    log: str


class Importance(BaseModel):
    """The share of each parameter in the objective, by evaluator, and from how many trials."""

    trials: int
    shares: dict[str, dict[str, Number]]


def entry(run: Run, stars: set[str]) -> dict[str, Any]:
    """The fields of a `RunEntry`."""
    return {**vars(run), "starred": run.id in stars}
