"""Promotion: a trial becomes an experiment of its own, with full epochs and all data."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from pathlib import Path

from studio.errors import StudioError
from studio.process import MARK, Watch, until_done
from studio.runners.dvc import DvcRunner
from studio.study import Study
from studio.trials import Trial

PROMOTED = "promoted "
"""Before the name of an experiment, a note of its trial and of the job that made it."""


class Patient(Watch):
    """Lets a run go on to its end, unless it is cancelled."""

    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def started(self, group: dict[str, float]) -> None:
        """Nobody has to know."""

    def stop(self, news: list[tuple[int, float]]) -> bool:
        """Once it is cancelled."""
        return self.cancelled.is_set()


def chosen(study: Study, number: int | None) -> Trial:
    """The trial of this number, or the best one, the first made of several.

    Raises:
        StudioError: It is not complete, or none is.
    """
    if number is None:
        front = study.engine().best()
        if not front:
            raise StudioError(f"study '{study.name}' has no complete trial yet")
        return front[0]
    trials = {trial.number: trial for trial in study.trials()}
    if number not in trials or trials[number].state != "complete":
        state = trials[number].state if number in trials else "missing"
        raise StudioError(f"trial {number} of '{study.name}' is {state}; it has to be complete")
    return trials[number]


def promote(study: Study, trial: Trial, runner: DvcRunner, logs: Path) -> tuple[str, list[float]]:
    """Run the project with the trial's values, and with nothing that made the trial cheaper.

    Returns:
        The name of the experiment, and its scores.

    Raises:
        StudioError: The run failed.
    """
    with free_name(f"{study.name}-best", runner) as name:
        logs.mkdir(parents=True, exist_ok=True)
        watch, log = Patient(), logs / f"{name}.log"
        with ThreadPoolExecutor(1) as pool:  # Ctrl-C comes to us: the runner knows when to stop
            try:
                worker = pool.submit(runner.run, name, trial.values, log, watch)
                until_done([worker])
            finally:
                watch.cancelled.set()
    ended = worker.result()
    if ended.status:
        raise StudioError(f"experiment {name} failed; the end of what it printed:\n{ended.tail}")
    scores = [each.score(lambda path: runner.read(name, path)) for each in study.objectives]
    study.store.note(study.name, "promoted", {"trial": trial.number, "experiment": name})
    job = Path(os.environ.get(MARK, "")).name
    study.store.note(study.name, f"{PROMOTED}{name}", {"trial": trial.number, "job": job})
    return name, scores


@contextmanager
def free_name(wanted: str, runner: DvcRunner) -> Iterator[str]:
    """The name, or the first of NAME-2, NAME-3, ... that no experiment has or is to have; held."""
    names = (wanted if number == 1 else f"{wanted}-{number}" for number in count(1))
    for name in names:
        with runner.held(name) as mine:
            if mine and not runner.exists(name):
                yield name
                return
