"""The jobs there are: words of a command from what somebody asks for, each of them checked."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from studio.adapters import get_adapter, list_adapters
from studio.creation import NAME
from studio.errors import StudioError
from studio.params import look_up, read_params
from studio.promotion import chosen
from studio.runners.dvc import TAKEN, DvcRunner, plain
from studio.store import Store
from studio.study import Study
from studio.written import read_value

STUDIO = ["python", "-P", "-m", "studio", "study"]
DVC = ["dvc", "--wait-for-lock"]
KEY = re.compile(r"(?:[\w./-]+:)?[\w.-]+")


class Order(NamedTuple):
    """What `Board.submit` takes."""

    kind: str
    title: str
    command: list[str]
    subject: str = ""
    steps: int | None = None
    storage: str | None = None


def reproduce_job(project: Path) -> Order:
    """Rebuild whatever has changed."""
    command = [*DVC, "repro"]
    return Order("reproduce", "Reproduce what has changed", command, steps=_steps(project, {}))


def stage_job(project: Path, stage: str) -> Order:
    """Rebuild what a stage makes, from what it needs as it is now: that is rebuilt before.

    Raises:
        StudioError: There is no such stage.
    """
    if stage not in (names := stage_names(project)):
        raise StudioError(f"no stage '{stage}'; dvc.yaml has {', '.join(names) or 'none'}")
    command = [*DVC, "repro", stage]
    return Order("stage", f"Stage {stage}", command, stage, _steps(project, {}))


def run_job(
    project: Path, name: str, changes: Sequence[str], others: Collection[str] = ()
) -> Order:
    """An experiment of that name with other parameters, as lines such as `fit.rate=0.5`.

    Args:
        others: Parameters of other files than params.yaml, such as `more.json:fit.rate`.

    Raises:
        StudioError: The name is taken or is none, a parameter does not exist, or DVC could not
            be told its value.
    """
    if not NAME.fullmatch(name):
        raise StudioError(
            f"'{name}' is no name for an experiment; up to 100 letters, digits, '-', '_', '.'"
        )
    if DvcRunner(project).taken(name):
        raise StudioError(TAKEN.format(name))
    values = _values(project, changes, others)
    sets = [word for key, value in values.items() for word in ("-S", f"{key}={plain(value)}")]
    command = [*DVC, "exp", "run", "--temp", "-n", name, *sets]
    return Order("run", f"Experiment {name}", command, name, _steps(project, values))


def study_job(store: Store, name: str, storage: str | None = None) -> Order:
    """Run the trials of a study that are left.

    Args:
        storage: The URL of the store, if it has one.

    Raises:
        StudioError: There is no such study.
    """
    trials, command = Study(store, name).settings.n_trials, [*STUDIO, "run", name]
    return Order("study", f"Study {name}", command, name, trials, storage)


def promote_job(
    store: Store, name: str, trial: int | None = None, storage: str | None = None
) -> Order:
    """Make an experiment of a trial of a study, or of its best one.

    Raises:
        StudioError: There is no such study, or it has no such trial that is complete.
    """
    number = chosen(Study(store, name), trial).number
    command = [*STUDIO, "promote", name, "--trial", str(number)]
    return Order("promote", f"Promote trial {number} of {name}", command, name, storage=storage)


def stage_names(project: Path) -> list[str]:
    """Of the stages in `dvc.yaml`, none if it is not there.

    Raises:
        StudioError: It is no YAML.
    """
    try:
        found = yaml.safe_load((project / "dvc.yaml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise StudioError(f"cannot read {project / 'dvc.yaml'}: {error}") from None
    stages = found.get("stages") if isinstance(found, dict) else None
    return list(map(str, stages)) if isinstance(stages, dict) else []


def _values(project: Path, changes: Sequence[str], others: Collection[str]) -> dict[str, Any]:
    """What is to be changed; exists, is no section, and passes through DVC as it is."""
    values: dict[str, Any] = {}
    for change in changes:
        key, equals, text = (part.strip() for part in change.partition("="))
        if not equals or not text or key in values:
            raise StudioError(f"each line is one KEY=VALUE, of another key; got '{change}'")
        section = key not in others and isinstance(look_up(read_params(project), key), dict)
        if section or not KEY.fullmatch(key):
            raise StudioError(f"'{key}' cannot be set; name a single parameter, such as fit.rate")
        values[key] = _value(key, text)
    return values


def _value(key: str, text: str) -> Any:
    value = read_value(text, f"{key}={text}")
    flat = value if isinstance(value, list) else [value]
    if any(isinstance(each, dict | list | tuple | set) for each in flat):
        raise StudioError(
            f"{key} takes a number, a text, true, false, null or a list; got '{text}'"
        )
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise StudioError(f"cannot read {key}={text}: {error}") from None
    if "\\" in (written := plain(value)).replace('\\"', "") or "${" in written:
        raise StudioError(
            f"{key}: DVC does not pass backslashes and '${{' on as they are; got {text}"
        )
    return value


def _steps(project: Path, values: Mapping[str, Any]) -> int | None:
    """How many epochs there will be, where an adapter knows their parameter."""
    for name in list_adapters():
        with suppress(StudioError):
            epochs = get_adapter(name).epochs
            steps = values.get(epochs, look_up(read_params(project), epochs))
            return steps if isinstance(steps, int) else None
    return None
