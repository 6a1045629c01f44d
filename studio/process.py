"""A command in a process group of its own: progress, and an end that leaves nothing running.

Progress is a line of JSON, {"step": 3, "score": 0.61}, for each step, in the file that the variable
STUDIO_PROGRESS names.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psutil

from studio.errors import StudioError

PROGRESS = "STUDIO_PROGRESS"
MARK = "STUDIO_JOB"
"""Variable of all that a job has started: the path of the job's folder."""
STORAGE = "STUDIO_STORAGE"
"""Variable with the URL of the studies' database, whose password everybody sees in a command."""
PERIOD = 1.0
"""Seconds after which a thread that waits looks for signals."""
POLL = 0.1
"""Seconds between two looks for progress."""
PATIENCE = 10.0
"""Seconds to wait for the end after SIGINT."""
TAIL = 4000
"""Bytes of the end of a log."""
CLOCK = 2.0
"""Seconds by which the system's time of a process's birth may change."""


class Watch(Protocol):
    """Who wants to know how a command goes."""

    def started(self, group: dict[str, float]) -> None:
        """Told once of the process group, as `kill_left` takes it."""

    def stop(self, news: list[tuple[int, float]]) -> bool:
        """Told often what was reported since; whether the command is to end now."""


@dataclass(frozen=True)
class Ended:
    """How a command ended; `stopped` if that was asked for."""

    status: int
    stopped: bool
    tail: str


def run(command: Sequence[str], log: Path, watch: Watch, cwd: Path | None = None) -> Ended:
    """Run it, with what it prints in `log`, until it ends or `watch` says so.

    SIGINT goes to the whole group, because a program that starts others may not pass a signal on;
    SIGKILL where that does not help.

    Returns:
        How it ended, with the end of the log.

    Raises:
        StudioError: There is no such program.
    """
    with _beside(log) as place, log.open("ab") as output:
        progress = Progress(place)
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env={**environment(), PROGRESS: str(place)},
                start_new_session=True,
            )
        except OSError as error:
            raise StudioError(f"cannot run {command[0]}: {error}") from None
        stopped = False
        try:
            watch.started({"group": process.pid, "born": psutil.Process(process.pid).create_time()})
            while process.poll() is None and not stopped:
                time.sleep(POLL)
                stopped = watch.stop(progress.news())
        finally:
            _end(process.pid)
            process.wait()
        watch.stop(progress.news())
    with log.open("rb") as file:
        file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
        tail = file.read().decode("utf-8", "replace")
    return Ended(process.returncode, stopped, tail)


@contextmanager
def _beside(log: Path) -> Iterator[Path]:
    """The file for progress, without what one has left that was killed."""
    place = log.absolute().with_name(f"{log.name}.progress")
    place.unlink(missing_ok=True)
    try:
        yield place
    finally:
        place.unlink(missing_ok=True)


def heeded_by_children() -> None:
    """Let what we start heed SIGINT even if we ignore it, as `command &` in a script does.

    An ignored signal stays ignored in all that a program starts, which then only SIGKILL could end;
    one that has a handler does not. For programs to call, in their main thread.
    """
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda number, frame: None)


def until_done(workers: Sequence[Future[Any]]) -> None:
    """Wait until all have ended, or one with an error; for the main thread, which has the signals.

    It wakes up now and then: Python leaves a signal that came to another thread until it does.
    """
    left: Collection[Future[Any]] = workers
    while left and not any(worker.done() and worker.exception() for worker in workers):
        left = wait(left, PERIOD, FIRST_EXCEPTION).not_done


def environment() -> dict[str, str]:
    """Ours, with the programs beside the interpreter that runs this first on the path."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path}


class Progress:
    """What a command has reported so far, read on from where it was left."""

    def __init__(self, path: Path) -> None:
        self.path, self.place = path, 0

    def news(self) -> list[tuple[int, float]]:
        """Steps and scores that have come; a line that is not whole yet waits."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self.place)
            whole, newline, _ = file.read().rpartition(b"\n")
        self.place += len(whole) + len(newline)
        return [found for line in whole.splitlines() for found in _reports(line)]


def report(step: int, score: float) -> None:
    """Tell whoever runs this program as a command, if they want to know."""
    if place := os.environ.get(PROGRESS):
        with open(place, "a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, "score": score}) + "\n")


def kill_left(group: Mapping[str, float]) -> None:
    """End the group of a command whose watcher was killed, if it is still that group."""
    if is_process(int(group["group"]), group["born"]):
        _end(int(group["group"]))


def is_process(number: int, born: float) -> bool:
    """Whether the process of this number was born then: numbers are used again, clocks are set."""
    try:
        return abs(psutil.Process(number).create_time() - born) < CLOCK
    except psutil.NoSuchProcess:
        return False


def runs(number: int, born: float) -> bool:
    """Whether that process still runs: one that has ended stays listed until it is waited for."""
    try:
        return is_process(number, born) and psutil.Process(number).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _reports(line: bytes) -> Iterator[tuple[int, float]]:
    """The report in a line, if it is one: what else a program writes there ends no trial."""
    try:
        report = json.loads(line)
        yield int(report["step"]), float(report["score"])
    except (ValueError, TypeError, KeyError, OverflowError):
        pass


def _end(group: int) -> None:
    """Leave no process of the group, whether its first one has ended or not."""
    for number in (signal.SIGINT, signal.SIGKILL):
        until = time.monotonic() + PATIENCE
        with suppress(ProcessLookupError):
            os.killpg(group, number)
        while _alive(group) and time.monotonic() < until:
            time.sleep(POLL / 10)


def _alive(group: int) -> bool:
    """Whether one of the group still runs; what has ended and is not waited for does not."""
    for number in psutil.pids():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(number) == group:
                if psutil.Process(number).status() != psutil.STATUS_ZOMBIE:
                    return True
    return False
