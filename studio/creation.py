"""How a study comes to be: all that can be known to be wrong is said before the first trial."""

from __future__ import annotations

import re
from dataclasses import asdict

from studio.adapters import Adapter, get_adapter
from studio.engines import get_engine
from studio.errors import StudioError
from studio.objective import parse_objective
from studio.space import Space, parse
from studio.store import Store
from studio.study import Settings, Study
from studio.trials import Trial, complete

NAME = re.compile(r"[A-Za-z0-9](\.?[A-Za-z0-9_-]){0,99}")
RUNNERS = ("dvc", "process")


def create(store: Store, name: str, settings: Settings, earlier: Study | None = None) -> Study:
    """A new study; the complete trials of an earlier one that lie inside its space come along.

    Raises:
        StudioError: Something cannot work; nothing was created.
    """
    check(store, name, settings)
    along = coming_along(settings, earlier)
    directions = [parse_objective(objective).direction for objective in settings.objectives]
    store.create(name, asdict(settings), directions)
    for trial in along:
        number = store.begin(name, settings.n_trials)
        assert number is not None and earlier is not None
        source = f"{earlier.name}/{trial.number}"
        store.update(name, number, trial.values, {**trial.notes, "from": source})
        store.finish(name, number, "complete", trial.scores, {})
    return Study(store, name)


def coming_along(settings: Settings, earlier: Study | None) -> list[Trial]:
    """Complete trials of an earlier study that could be trials of the new one.

    Raises:
        StudioError: Its scores say nothing about the new one.
    """
    if earlier is None:
        return []
    for what in ("objectives", "search_epochs", "subset_ratio"):
        old, new = (getattr(each, what) for each in (earlier.settings, settings))
        if old != new:
            raise StudioError(f"study '{earlier.name}' cannot be compared: {what} {old}, not {new}")
    space, done = parse(settings.space), complete(earlier.trials())
    return [trial for trial in done if space.holds(trial.values)][: settings.n_trials]


def check(store: Store, name: str, settings: Settings) -> None:
    """Whether a study could be created.

    Raises:
        StudioError: It could not, and why.
    """
    if name in store.names():
        raise StudioError(f"there is a study '{name}' already; take another name")
    if not NAME.fullmatch(name):
        raise StudioError(
            f"'{name}' is no name for a study; up to 100 letters, digits, '-', '_', '.'"
        )
    adapter, space = get_adapter(settings.adapter), parse(settings.space)
    if not space.searched:
        raise StudioError("there is nothing to search: every parameter is fixed")
    _amounts(settings)
    _engine(settings, space)
    if settings.runner not in RUNNERS:
        raise StudioError(f"no trial runner '{settings.runner}'; known: {', '.join(RUNNERS)}")
    cheaper = {"search_epochs": adapter.epochs, "subset_ratio": adapter.subset}
    for what, key in cheaper.items():
        if getattr(settings, what) is not None and key in space.params:
            raise StudioError(f"{key} is searched; it cannot make trials cheaper, too ({what})")
    if settings.runner == "process":
        _within(space, adapter)
    else:
        _passed_on(space)


def _engine(settings: Settings, space: Space) -> None:
    directions = [parse_objective(objective).direction for objective in settings.objectives]
    engine = get_engine(settings.engine_used)(space, directions, settings.seed, settings.options)
    asked = settings.engine == settings.engine_used  # else the fallback tells what it cannot do
    pruner = settings.options.get("pruner", "none")
    if asked and pruner != "none" and "pruning" not in engine.capabilities:
        raise StudioError(f"the engine {engine.name} does not prune; leave out --pruner {pruner}")


def _within(space: Space, adapter: Adapter) -> None:
    strange = [param.name for param in space if not param.name.startswith(tuple(adapter.sections))]
    if strange:
        raise StudioError(
            f"{', '.join(strange)} would change nothing: trials of the runner 'process' heed "
            f"{', '.join(adapter.sections)}; use --runner dvc"
        )


def _passed_on(space: Space) -> None:
    for param in space:
        for choice in param.choices:
            if isinstance(choice, str) and ("\\" in choice or "${" in choice):
                raise StudioError(
                    f"{param.name}: DVC does not pass backslashes and '${{' on as they are; got "
                    f"{choice!r}. Use --runner process"
                )


def _amounts(settings: Settings) -> None:
    for what in ("n_trials", "jobs", "search_epochs", "keep"):
        found = getattr(settings, what)
        if found is not None and found < 1:
            raise StudioError(f"{what} must be at least 1; got {found}")
    if settings.subset_ratio is not None and not 0 < settings.subset_ratio <= 1:
        raise StudioError(
            f"subset_ratio is a share, above 0 and at most 1; got {settings.subset_ratio}"
        )
    if not 0 <= settings.seed < 2**32:
        raise StudioError(f"seed must be at least 0 and below 2**32; got {settings.seed}")
    if settings.timeout is not None and not settings.timeout > 0:
        raise StudioError(f"timeout must be above 0 s; got {settings.timeout}")
