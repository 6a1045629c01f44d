"""A study: what it searches and how, created once and kept with its trials."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from studio.adapters import Adapter, get_adapter
from studio.engines import get_engine
from studio.engines.base import BaseSearchEngine
from studio.objective import parse_objective
from studio.space import Values, parse
from studio.store import Store
from studio.trials import Direction, Trial


@dataclass(frozen=True)
class Settings:
    """All that a study was created with.

    Attributes:
        n_trials: How many, whatever becomes of them.
        timeout: Seconds after which no new one starts.
        search_epochs, subset_ratio: What makes a trial cheaper; `None`: the project's own value.
        engine, engine_used: The one asked for, and the one that could be had.
        jobs: Trials at a time. keep: What so many best trials have made stays; `None`: of all.
        start: What the first trial tries, the project's own values; `None` if outside the space.
        baseline: The commit it was created at.
    """

    adapter: str
    space: dict[str, Any]
    objectives: list[str]
    engine: str = "optuna"
    engine_used: str = "optuna"
    options: dict[str, Any] = field(default_factory=dict)
    runner: str = "dvc"
    n_trials: int = 30
    timeout: float | None = None
    search_epochs: int | None = None
    subset_ratio: float | None = None
    jobs: int = 1
    keep: int | None = None
    seed: int = 0
    start: Values | None = None
    baseline: str | None = None


class Study:
    """A study in a store.

    Raises:
        StudioError: There is none of this name.
    """

    def __init__(self, store: Store, name: str) -> None:
        self.store, self.name = store, name
        found = store.settings(name)
        self.notes = {
            key: value for key, value in found.items() if key not in Settings.__match_args__
        }
        self.settings = Settings(**{k: v for k, v in found.items() if k in Settings.__match_args__})
        self.space = parse(self.settings.space)
        self.objectives = [parse_objective(each) for each in self.settings.objectives]

    @property
    def adapter(self) -> Adapter:
        """The model's."""
        return get_adapter(self.settings.adapter)

    @property
    def directions(self) -> list[Direction]:
        """Of the objectives."""
        return [objective.direction for objective in self.objectives]

    def trials(self) -> list[Trial]:
        """All trials, by number."""
        return self.store.trials(self.name)

    def engine(self) -> BaseSearchEngine:
        """The search engine that is used, which knows all trials."""
        made = get_engine(self.settings.engine_used)(
            self.space, self.directions, self.settings.seed, self.settings.options
        )
        for trial in self.trials():
            made.tell(trial)
        return made

    def reduced(self) -> Values:
        """The parameters that make trials cheaper; a promoted trial leaves them out."""
        found: Values = {}
        if self.settings.search_epochs is not None:
            found[self.adapter.epochs] = self.settings.search_epochs
        if self.settings.subset_ratio is not None:
            found[self.adapter.subset] = self.settings.subset_ratio
        return found

    def experiment(self, number: int) -> str:
        """What a trial is called outside of the study."""
        return f"{self.name}-{number:04d}"
