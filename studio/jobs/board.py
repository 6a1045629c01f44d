"""All jobs of a project: new ones, those that wait, those that run, those that have ended."""

from __future__ import annotations

import fcntl
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from threading import Event

from studio.errors import NotFound, StudioError
from studio.jobs.folder import JobFolder, create
from studio.jobs.model import NUMBER, PARTS, Job, moment_of, now, number_of
from studio.process import STORAGE
from studio.store import FOLDER

ALONE = ("run", "study")
"""Kinds of which no two jobs have one subject at a time."""
PERIOD = 0.5
"""Seconds between two looks at what waits."""


class Board:
    """The jobs in `.studio/jobs`; several boards of a project do no harm to one another.

    Args:
        project: Where the commands run.
        limit: How many run at a time.
        storage: The URL of the studies' database, for jobs that need it; no file of theirs has it.
    """

    def __init__(self, project: Path, limit: int = 1, storage: str | None = None) -> None:
        if limit < 1:
            raise StudioError(f"at least 1 job must be allowed to run; got {limit}")
        self.project, self.limit = project.resolve(), limit
        self.folder = self.project / FOLDER / "jobs"
        self.storage, self.lock = storage, threading.Lock()
        self.supervisors: dict[str, subprocess.Popen[bytes]] = {}
        self.over: set[str] = set()

    def submit(
        self,
        kind: str,
        title: str,
        command: list[str],
        subject: str = "",
        steps: int | None = None,
        storage: str | None = None,
    ) -> Job:
        """Queue a job; see `studio.jobs.kinds` for what these are.

        Args:
            storage: The URL of the studies' database: the job runs where it is at hand.

        Raises:
            StudioError: Another one does that already, or waits to.
        """
        what = {"kind": kind, "subject": subject, "title": title, "command": command}
        spec = {**what, "steps": steps, "created": now()}
        if storage:
            from studio.optuna_url import place

            spec["storage"] = place(storage)
        self.folder.mkdir(parents=True, exist_ok=True)
        with (self.folder / ".gitignore").open("w", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)  # one after the other, so that no two get one number
            file.write("*\n")
            if kind in ALONE and subject:
                self._refuse_another(kind, subject)
            moment = int(time.time() * PARTS)
            if numbers := self._numbers():
                moment = max(moment, moment_of(numbers[-1]) + 1)
            create(self.folder / number_of(moment), spec)
        return self.job(number_of(moment))

    def jobs(self, offset: int = 0, limit: int = 50) -> list[Job]:
        """So many of them, newest first, without the newest `offset`."""
        numbers = self._numbers()[::-1][offset : offset + limit]
        return [JobFolder(self.folder / number).job() for number in numbers]

    def count(self) -> int:
        """How many there are."""
        return len(self._numbers())

    def live(self) -> list[Job]:
        """Those that wait or run, in the order in which they start."""
        return [folder.job() for folder in self._live()]

    def job(self, number: str) -> Job:
        """One of them.

        Raises:
            StudioError: There is none of this number.
        """
        return self._found(number).job()

    def cancel(self, number: str) -> Job:
        """Take it from the queue at once, or have it ended soon; to ask twice changes nothing.

        Raises:
            StudioError: It has ended.
        """
        folder = self._found(number)
        if not folder.live():
            raise StudioError(f"job {number} has ended; it is {folder.state()['state']}")
        folder.ask_to_end()
        with folder.held() as mine:
            if mine and folder.state()["state"] == "queued":
                folder.change(state="cancelled", ended=now())
        return folder.job()

    def log(self, number: str, after: int = 0) -> tuple[str, int]:
        """A piece of its log from that byte on, and the byte to go on from."""
        return self._found(number).log(after)

    def log_tail(self, number: str) -> str:
        """The last lines of its log."""
        return self._found(number).log_tail()

    def tick(self) -> None:
        """Start what may start, and have ended what has lost its supervisor."""
        with self.lock:
            for number, supervisor in list(self.supervisors.items()):
                if supervisor.poll() is not None:
                    del self.supervisors[number]
                    if supervisor.returncode:
                        self._not_started(JobFolder(self.folder / number))
            live = self._live()
            queued = [folder for folder in live if folder.state()["state"] == "queued"]
            running = [folder for folder in live if folder not in queued]
            lost = [folder for folder in running if not folder.supervised()]
            for folder in lost + queued[: max(self.limit - len(running), 0)]:
                if folder.number not in self.supervisors:
                    self.supervisors[folder.number] = self._supervisor(folder)

    def run_forever(self, stop: Event) -> None:
        """Tick until told to stop, whatever a tick finds."""
        while not stop.wait(PERIOD):
            try:
                self.tick()
            except Exception:
                logging.getLogger(__name__).exception("jobs are not started")

    def _supervisor(self, folder: JobFolder) -> subprocess.Popen[bytes]:
        """A process that runs the job, unless another one does."""
        command = [sys.executable, "-P", "-m", "studio.jobs.supervise", str(folder.path)]
        needed = self.storage if folder.spec().get("storage") else None
        with (folder.path / "log").open("ab") as log:
            return subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.project,
                env={**os.environ, **({STORAGE: needed} if needed else {})},
                start_new_session=True,
            )

    def _refuse_another(self, kind: str, subject: str) -> None:
        for folder in self._live():
            spec = folder.spec()
            if (spec["kind"], spec["subject"]) == (kind, subject):
                raise StudioError(
                    f"{spec['title']} is {folder.state()['state']} already, as job {folder.number}"
                )

    def _not_started(self, folder: JobFolder) -> None:
        """Give up a job whose supervisor failed before it began."""
        with folder.held() as mine:
            if mine and folder.state()["state"] == "queued":
                folder.change(state="failed", ended=now(), error=folder.log_tail())

    def _live(self) -> list[JobFolder]:
        found = [JobFolder(self.folder / each) for each in self._numbers() if each not in self.over]
        live = [folder for folder in found if folder.live()]
        self.over |= {each.number for each in found if each not in live and each.state()["ended"]}
        return live

    def _found(self, number: str) -> JobFolder:
        if number not in self._numbers():
            raise NotFound(f"no job '{number}'; the page of the jobs lists those there are")
        return JobFolder(self.folder / number)

    def _numbers(self) -> list[str]:
        """Of all jobs, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(path.name for path in self.folder.iterdir() if NUMBER.fullmatch(path.name))
