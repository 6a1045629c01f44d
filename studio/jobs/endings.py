"""How the command of a job is ended, by kind, and what is tidied up where it did not end well."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from studio import process
from studio.errors import StudioError
from studio.process import MARK, STORAGE, Watch, is_process
from studio.runners import Runner
from studio.runners import dvc
from studio.runners.dvc import TAKEN, DvcRunner, Outside
from studio.runners.locks import Turn
from studio.runners.local import ProcessRunner
from studio.stale import fail_stale
from studio.store import FOLDER, open_store
from studio.study import Study

PATIENCE = dvc.START + 2 * process.PATIENCE + dvc.GRACE + 7
"""Seconds for a program that ends what it has started itself, as long as a trial may take."""


class Ending:
    """SIGINT to the whole group at once; nothing is left to tidy up."""

    def __init__(self, spec: Mapping[str, Any], project: Path) -> None:
        self.spec, self.project, self.subject = spec, project, str(spec["subject"])

    def storage(self) -> str:
        """The URL of the studies' database, for the command; "" if it needs none.

        Raises:
            StudioError: It is not known here.
        """
        return ""

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Have what the command needs for itself, from before it starts until it is tidied up.

        Raises:
            StudioError: Another process has it.
        """
        yield

    def watch(self, watch: Watch) -> Watch:
        """The watch as the command bears it, once it may start, or is not to start any more."""
        return watch

    def prepare(self) -> None:
        """Before the command starts."""

    def tidy(self) -> None:
        """Remove what the command has left; it does not run any more."""


class EndingOfRun(Ending):
    """Of a DVC experiment: not before DVC has begun it."""

    def __init__(self, spec: Mapping[str, Any], project: Path) -> None:
        super().__init__(spec, project)
        self.runner = DvcRunner(project)

    @contextmanager
    def holding(self) -> Iterator[None]:
        """The name."""
        with self.runner.held(self.subject) as mine:
            if not mine or self.runner.exists(self.subject):
                raise StudioError(TAKEN.format(self.subject))
            yield

    def watch(self, watch: Watch) -> Watch:
        """The runner's, when it is this one's turn to start."""
        turn = Turn(self.project / FOLDER / "dvc.turn", watch)
        return Outside(self.runner, self.subject, watch, turn)

    def prepare(self) -> None:
        """What is noted of another run of this name would be taken for this one's."""
        self.tidy()

    def tidy(self) -> None:
        """What DVC leaves."""
        self.runner.tidy(self.subject)


class EndingOfStudy(Ending):
    """Of a search: it ends its trials itself."""

    def storage(self) -> str:
        """That of the environment, if it is the one that the job was made for."""
        wanted, url = self.spec.get("storage"), os.environ.get(STORAGE, "")
        if not wanted:
            return ""
        from studio.optuna_url import place

        if place(url) != wanted:
            raise StudioError(
                f"the studies are in {wanted}; tell `studio serve` the URL by {STORAGE}"
            )
        return url

    def watch(self, watch: Watch) -> Watch:
        """One SIGINT, and patience."""
        return Once(watch)

    def tidy(self) -> None:
        """Trials that a search which was killed has left."""
        study = Study(open_store(self.storage()), self.subject)
        runner: Runner = DvcRunner(self.project)
        if study.settings.runner == "process":
            runner = ProcessRunner(study.adapter, self.project)
        fail_stale(study, runner)


class EndingOfPromotion(EndingOfStudy):
    """Of an experiment that a program of ours runs: it ends it itself."""

    def tidy(self) -> None:
        """What DVC leaves of the experiment that was to be, whatever name was free for it."""
        runner, wanted = DvcRunner(self.project), re.escape(f"{self.subject}-best")
        names = runner.traces.names()
        runner.tidy(*(name for name in names if re.fullmatch(rf"{wanted}(-\d+)?", name)))


ENDINGS = {"run": EndingOfRun, "study": EndingOfStudy, "promote": EndingOfPromotion}


def ending_of(spec: Mapping[str, Any], project: Path) -> Ending:
    """That of the job's kind."""
    return ENDINGS.get(spec["kind"], Ending)(spec, project)


class Once:
    """Tells a program once that it is to end, and has it killed only where that does not help."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.until: float | None = None

    def started(self, group: dict[str, float]) -> None:
        """Passed on."""
        self.group = group
        self.watch.started(group)

    def stop(self, news: list[tuple[int, float]]) -> bool:
        """Passed on, but true only when the time is up."""
        if not self.watch.stop(news):
            return False
        if self.until is None:
            self.until = time.monotonic() + PATIENCE
            if is_process(int(self.group["group"]), self.group["born"]):
                os.kill(int(self.group["group"]), signal.SIGINT)
        return time.monotonic() > self.until


def end_marked(mark: str) -> None:
    """End every process that a job has started, in whatever group it is."""
    for number in (signal.SIGINT, signal.SIGKILL):
        until = time.monotonic() + process.PATIENCE
        for each in marked(mark):
            with suppress(psutil.NoSuchProcess):
                each.send_signal(number)
        while marked(mark) and time.monotonic() < until:
            time.sleep(process.POLL)


def marked(mark: str) -> list[psutil.Process]:
    """Those that have the job in their environment and still run."""
    found = []
    for each in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if each.environ().get(MARK) == mark and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found
