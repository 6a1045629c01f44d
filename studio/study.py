"""A study: what it searches and how, created once and kept with its trials."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, field
from typing import Any

from studio.adapters import Adapter, get_adapter
from studio.engines import get_engine
from studio.engines.base import BaseSearchEngine
from studio.errors import StudioError
from studio.objective import parse_objective
from studio.space import Space, Values, parse
from studio.store import Store
from studio.trials import Direction, Trial, complete

NAME = re.compile(r"[A-Za-z0-9](\.?[A-Za-z0-9_-])*")
RUNNERS = ("dvc", "process")


@dataclass(frozen=True)
class Settings:
    """All that a study was created with.

    Attributes:
        trials: How many, whatever becomes of them. seconds: After which no new one starts.
        epochs, subset: What makes a trial cheaper; `None` leaves the project's own values.
        engine, engine_used: The one asked for, and the one that could be had.
        jobs: Trials at a time. keep: Experiments of so many best trials stay; `None`: all.
    """

    adapter: str
    space: dict[str, Any]
    objectives: list[str]
    engine: str = "optuna"
    engine_used: str = "optuna"
    options: dict[str, Any] = field(default_factory=dict)
    runner: str = "dvc"
    trials: int = 30
    seconds: float | None = None
    epochs: int | None = None
    subset: float | None = None
    jobs: int = 1
    keep: int | None = None
    seed: int = 0
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
        if self.settings.epochs is not None:
            found[self.adapter.epochs] = self.settings.epochs
        if self.settings.subset is not None:
            found[self.adapter.subset] = self.settings.subset
        return found

    def experiment(self, number: int) -> str:
        """What a trial is called outside of the study."""
        return f"{self.name}-{number:04d}"


def create(
    store: Store, name: str, settings: Settings, earlier: Study | None = None
) -> tuple[Study, int]:
    """A new study; the complete trials of an earlier one that lie inside its space come along.

    Returns:
        The study, and how many trials came along.

    Raises:
        StudioError: Something cannot work; nothing was created.
    """
    space = check(name, settings, store)
    inside = _inside(earlier, settings, space) if earlier else []
    store.create(
        name, asdict(settings), [parse_objective(o).direction for o in settings.objectives]
    )
    study = Study(store, name)
    for trial in inside:
        number = store.begin(name, settings.trials)
        assert number is not None
        source = f"{earlier.name if earlier else ''}/{trial.number}"
        store.update(name, number, trial.values, {**trial.notes, "from": source})
        store.finish(name, number, "complete", trial.scores, {})
    return study, len(inside)


def _inside(earlier: Study, settings: Settings, space: Space) -> list[Trial]:
    """Complete trials of an earlier study that could be trials of the new one."""
    for what in ("objectives", "epochs", "subset"):
        old, new = (getattr(each, what) for each in (earlier.settings, settings))
        if old != new:
            raise StudioError(f"study '{earlier.name}' cannot be compared: {what} {old}, not {new}")
    done = complete(earlier.trials())
    return [trial for trial in done if space.holds(trial.values)][: settings.trials]


def check(name: str, settings: Settings, store: Store) -> Space:
    """The space of a study that could be created.

    Raises:
        StudioError: Something can be known to be wrong before the first trial.
    """
    if name in store.names():
        raise StudioError(f"there is a study '{name}' already; take another name")
    if not NAME.fullmatch(name):
        raise StudioError(f"'{name}' is no name for a study; use letters, digits, '-', '_', '.'")
    adapter, space = get_adapter(settings.adapter), parse(settings.space)
    if not space.searched:
        raise StudioError("there is nothing to search: every parameter is fixed")
    directions = [parse_objective(objective).direction for objective in settings.objectives]
    get_engine(settings.engine_used)(space, directions, settings.seed, settings.options)
    _amounts(settings)
    if settings.runner not in RUNNERS:
        raise StudioError(f"no trial runner '{settings.runner}'; known: {', '.join(RUNNERS)}")
    names = [param.name for param in space]
    for what, key in (("epochs", adapter.epochs), ("subset", adapter.subset)):
        if getattr(settings, what) is not None and key in names:
            raise StudioError(f"{key} is searched; it cannot make trials cheaper, too (--{what})")
    if settings.runner == "process":
        _within(names, adapter)
    return space


def _within(names: list[str], adapter: Adapter) -> None:
    strange = [name for name in names if not name.startswith(tuple(adapter.sections))]
    if strange:
        raise StudioError(
            f"{', '.join(strange)} would change nothing: trials of the runner 'process' heed "
            f"{', '.join(adapter.sections)}; use --runner dvc"
        )


def _amounts(settings: Settings) -> None:
    for what in ("trials", "jobs", "epochs", "keep"):
        found = getattr(settings, what)
        if found is not None and found < 1:
            raise StudioError(f"{what} must be at least 1; got {found}")
    if settings.subset is not None and not 0 < settings.subset <= 1:
        raise StudioError(f"subset is a share, above 0 and at most 1; got {settings.subset}")
    if settings.seconds is not None and not settings.seconds > 0:
        raise StudioError(f"the time must be above 0 s; got {settings.seconds}")
