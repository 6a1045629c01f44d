"""Runs one job: `python -m studio.jobs.supervise FOLDER`, in the project, in a session of its own.

So it outlives the server that started it. Of several that are started for a job one runs it. For a
job whose supervisor was killed it ends what that has left, and calls the job lost.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import psutil

from studio import process
from studio.errors import StudioError
from studio.jobs.endings import end_marked, ending_of
from studio.jobs.folder import JobFolder
from studio.jobs.model import now
from studio.process import MARK, STORAGE, Ended, heeded_by_children, kill_left, run, runs
from studio.promotion import Patient

LOST = "the process that watched over this job is gone; what it had left running was ended"


def main() -> None:
    """Run the job of the folder."""
    heeded_by_children()
    folder = JobFolder(Path(sys.argv[1]).resolve())
    with folder.held() as mine:
        if mine and folder.live():
            Supervisor(folder).run()


class Supervisor:
    """Watches over the command of a job, and notes how it goes."""

    def __init__(self, folder: JobFolder) -> None:
        self.folder, self.spec, self.interrupted = folder, folder.spec(), False
        self.ending, self.mark = ending_of(self.spec, Path.cwd()), str(folder.path)
        for number in (signal.SIGINT, signal.SIGTERM):  # as when the machine goes down
            signal.signal(number, self._interrupt)

    def run(self) -> None:
        """To the end, and say how it ended."""
        found, me = self.folder.state(), psutil.Process()
        self.folder.change(supervisor={"pid": me.pid, "born": me.create_time()})
        if found["state"] == "running":
            self._end_left(found["process"])
            self.folder.change(state="lost", ended=now(), error=LOST)
        elif self._asked():
            self.folder.change(state="cancelled", ended=now())
        else:
            self.folder.change(state="running", started=now())
            self._run()

    def started(self, group: dict[str, float]) -> None:
        """Keep the process group, for whoever finds the job without a supervisor."""
        with suppress(OSError):  # a full disk ends no command before that can bear it
            self.folder.change(process=group)

    def stop(self, news: list[tuple[int, float]]) -> bool:
        """Note what was reported; whether the job is to end."""
        with suppress(OSError):
            self.folder.report(news)
        return self._asked()

    def _run(self) -> None:
        os.environ |= {MARK: self.mark, "PYTHONUNBUFFERED": "1"}  # a log that grows as it goes
        try:
            os.environ[STORAGE] = self.ending.storage()
            with self.ending.holding():
                ended = self._ended()
        except StudioError as error:
            self.folder.change(state="failed", ended=now(), error=str(error))
        else:
            self._note(ended)

    def _ended(self) -> Ended | None:
        """How the command has ended, of which nothing is left; `None` if it was not to start."""
        watch = self.ending.watch(self)
        if self._asked():
            return None
        self.ending.prepare()
        ended = run(self.spec["command"], self.folder.path / "log", watch, cwd=Path.cwd())
        if ended.status:
            end_marked(self.mark)
        self._tidy()
        return ended

    def _note(self, ended: Ended | None) -> None:
        status = ended.status if ended else None
        state = "done" if status == 0 else "cancelled" if self._asked() else "failed"
        error = ended.tail if ended and state == "failed" else ""
        self.folder.change(state=state, ended=now(), status=status, error=error)

    def _end_left(self, group: dict[str, float] | None) -> None:
        if group:
            everything = Patient()
            everything.cancelled.set()
            watch = self.ending.watch(everything)
            watch.started(group)
            while runs(int(group["group"]), group["born"]) and not watch.stop([]):
                time.sleep(process.POLL)
            kill_left(group)
        end_marked(self.mark)
        self._tidy()

    def _tidy(self) -> None:
        try:
            self.ending.tidy()
        except (StudioError, OSError) as error:
            print(f"could not tidy up: {error}", file=sys.stderr)

    def _asked(self) -> bool:
        return self.interrupted or self.folder.asked_to_end()

    def _interrupt(self, number: int, frame: FrameType | None) -> None:
        self.interrupted = True


if __name__ == "__main__":
    main()
