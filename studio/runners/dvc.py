"""Trials as DVC experiments beside the working tree, with everything that DVC keeps of a run."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.process import Ended, Watch, run
from studio.runners.locks import Names, Turn
from studio.runners.traces import Traces, git
from studio.space import Value, Values
from studio.store import FOLDER

GRACE = 3.0
"""Seconds within which DVC ends what it has begun to write."""
START = 60.0
"""Seconds after which DVC is stopped at whatever it does."""
TAKEN = "there is an experiment '{}' already, or one is being made; take another name"


class DvcRunner:
    """`dvc exp run --temp`, named; a run that was stopped leaves nothing behind."""

    def __init__(self, project: Path) -> None:
        self.project, self.traces = project, Traces(project)
        self.names = Names(project / FOLDER / "names")

    def run(self, name: str, values: Values, log: Path, watch: Watch) -> Ended:
        """One experiment of this name, unless another process makes one."""
        sets = [part for key, value in values.items() for part in ("-S", f"{key}={plain(value)}")]
        command = ["dvc", "--wait-for-lock", "exp", "run", "--temp", "-n", name, *sets]
        with self.held(name) as mine:
            if not mine:
                return Ended(1, False, TAKEN.format(name))
            turn = Turn(self.project / FOLDER / "dvc.turn", watch)
            try:
                if not turn.mine:
                    return Ended(-signal.SIGINT, True, "")
                self.tidy(name)  # what is noted of another run of this name is not this one's
                return run(command, log, Outside(self, name, watch, turn), cwd=self.project)
            finally:
                self.tidy(name)
                turn.over()

    @contextmanager
    def held(self, name: str) -> Iterator[bool]:
        """Have a name for a run as long as this lasts; false while another process has it."""
        with self.names.held(name) as mine:
            yield mine and not self.traces.live(name)

    def taken(self, name: str) -> bool:
        """Whether an experiment has the name, or another process is about to make one."""
        return self.exists(name) or self.names.taken(name) or self.traces.live(name)

    def read(self, name: str, path: str) -> str:
        """A file as the experiment has committed it."""
        ref = self._ref(name)
        if ref is None:
            raise FileNotFoundError(f"there is no experiment {name}")
        done = git(self.project, "show", f"{ref}:./{path}")
        if done.returncode:
            raise FileNotFoundError(f"experiment {name} has no {path}")
        return done.stdout

    def exists(self, name: str) -> bool:
        """Whether there is an experiment of this name, on whatever commit."""
        return self._ref(name) is not None

    def discard(self, name: str) -> None:
        """Remove the experiment; `dvc gc` frees what it has in the cache."""
        with self.held(name) as mine:
            self.tidy(name)
            if mine and (ref := self._ref(name)):
                git(self.project, "update-ref", "-d", ref)

    def tidy(self, *names: str) -> None:
        """Remove what DVC leaves of runs that were stopped: their places in the queue and folders.

        Whatever is in the queue is made by the next run, too. What another process still makes is
        left alone; what DVC may only be about to write for another run is given the time.
        """
        for name in names:
            with self.held(name) as mine:
                if mine:
                    self.traces.remove(name)
        if halves := self.traces.halves():
            time.sleep(GRACE)
            for half in halves & self.traces.halves():
                shutil.rmtree(half, True) if half.is_dir() else half.unlink(missing_ok=True)

    def _ref(self, name: str) -> str | None:
        words = ("for-each-ref", "--format=%(refname)", "refs/exps")
        refs = git(self.project, *words).stdout.split()
        found = [ref for ref in refs if ref.rpartition("/")[2] == name]
        return found[0] if found else None


class Outside:
    """Passes on what a run's watch is told and says, but stops no run before DVC has begun it.

    Until then DVC has the user's uncommitted changes in its hands; stopped, it would lose them.
    """

    def __init__(self, runner: DvcRunner, name: str, watch: Watch, turn: Turn) -> None:
        self.runner, self.name, self.watch, self.turn = runner, name, watch, turn
        self.begun, self.until = False, time.monotonic() + START

    def started(self, group: dict[str, float]) -> None:
        """Passed on."""
        self.watch.started(group)

    def stop(self, news: list[tuple[int, float]]) -> bool:
        """Passed on; whether it may end, too."""
        if not self.begun and self.runner.traces.begun(self.name):
            self.begun = True
            self.turn.over()
        return self.watch.stop(news) and (self.begun or time.monotonic() > self.until)


def head(project: Path) -> str | None:
    """The commit that experiments start from; `None` without git."""
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=project, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if not done.returncode else None


def plain(value: Value) -> str:
    """A value as `dvc exp run -S` reads it: a number to the last digit, a text in quotes."""
    return json.dumps(value, ensure_ascii=False)
