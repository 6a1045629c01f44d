"""What is asked for when a study is created."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from studio.creation import NAME

Whole = Annotated[int, Field(ge=-(2**53), le=2**53)]
Count = Annotated[int, Field(ge=1, le=10**6)]
Scalar = bool | Whole | FiniteFloat | str
Name = Annotated[str, Field(pattern=f"^{NAME.pattern}$")]


class Range(BaseModel):
    """Where a parameter is searched: from `low` to `high`, or among `choices`.

    `when`: values that other parameters must have, else this one is left alone.
    """

    model_config = ConfigDict(extra="forbid")
    low: Whole | FiniteFloat | None = None
    high: Whole | FiniteFloat | None = None
    step: Whole | FiniteFloat | None = None
    log: bool | None = None
    choices: list[Scalar] | None = None
    when: dict[str, Scalar] | None = None


class StudyRequest(BaseModel):
    """A study to be; what is left out is as the adapter recommends.

    `space` has a range, a list of choices or a fixed value for each parameter; of the study `after`
    the complete trials inside that space come along. `timeout` is in seconds.
    """

    model_config = ConfigDict(extra="forbid")
    name: Name
    space: dict[str, Range | list[Scalar] | Scalar] | None = None
    objectives: list[str] = Field(default_factory=list, max_length=10)
    n_trials: Count = 30
    engine: str = "optuna"
    pruner: str = "none"
    runner: str = "dvc"
    search_epochs: Count | None = None
    subset_ratio: float | None = Field(default=None, gt=0, le=1)
    timeout: FiniteFloat | None = Field(default=None, gt=0)
    jobs: Annotated[int, Field(ge=1, le=1000)] = 1
    keep: Count | None = None
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    after: str | None = None

    def written_space(self) -> dict[str, Any]:
        """As `studio.space.parse` reads it."""
        return dict(self.model_dump(include={"space"}, exclude_none=True)["space"])

    def settings(self) -> dict[str, Any]:
        """As `studio.proposal.proposed` takes them."""
        fields = self.model_dump(exclude={"name", "space", "pruner", "after"})
        return {**fields, "options": {"pruner": self.pruner}}
