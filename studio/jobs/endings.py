"""How the command of a job is ended, by kind, and what is tidied up where it did not end well."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

from studio import process
from studio.process import Watch, is_process
from studio.promotion import free_name
from studio.runners import Runner
from studio.runners import dvc
from studio.runners.dvc import DvcRunner, Outside, Turn
from studio.runners.local import ProcessRunner
from studio.stale import fail_stale
from studio.store import FOLDER, open_store
from studio.study import Study

PATIENCE = dvc.START + 2 * process.PATIENCE + dvc.GRACE + 7
"""Seconds for a program that ends what it has started itself, as long as a trial may take."""
MARK = "STUDIO_JOB"
"""Variable with the job's folder in the environment of everything that a job starts."""


class Ending:
    """SIGINT to the whole group at once; nothing is left to tidy up."""

    def __init__(self, spec: Mapping[str, Any], project: Path) -> None:
        self.spec, self.project, self.subject = spec, project, str(spec["subject"])

    def watch(self, watch: Watch) -> Watch:
        """The watch as the command bears it."""
        return watch

    def prepare(self) -> None:
        """Before the command starts."""

    def tidy(self) -> None:
        """Remove what the command has left; it does not run any more."""


class EndingOfRun(Ending):
    """Of a DVC experiment: not before DVC has begun it."""

    def prepare(self) -> None:
        """What is noted of another run of this name would be taken for this one's."""
        self.tidy()

    def watch(self, watch: Watch) -> Watch:
        """The runner's, when it is this one's turn to start."""
        turn = Turn(self.project / FOLDER / "dvc.turn")
        return Outside(DvcRunner(self.project), self.subject, watch, turn)

    def tidy(self) -> None:
        """What DVC leaves."""
        DvcRunner(self.project).tidy(self.subject)


class EndingOfStudy(Ending):
    """Of a search: it ends its trials itself."""

    def watch(self, watch: Watch) -> Watch:
        """One SIGINT, and patience."""
        return Once(watch)

    def tidy(self) -> None:
        """Trials that a search which was killed has left."""
        words = self.spec["command"]
        storage = words[words.index("--storage") + 1] if "--storage" in words else None
        study = Study(open_store(storage), self.subject)
        runner: Runner = DvcRunner(self.project)
        if study.settings.runner == "process":
            runner = ProcessRunner(study.adapter, self.project)
        fail_stale(study, runner)


class EndingOfPromotion(EndingOfStudy):
    """Of an experiment that a program of ours runs: it ends it itself."""

    def tidy(self) -> None:
        """What DVC leaves of the experiment that was to be."""
        runner = DvcRunner(self.project)
        runner.tidy(free_name(f"{self.subject}-best", runner))


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
