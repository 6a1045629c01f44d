"""Trials as DVC experiments beside the working tree, with everything that DVC keeps of a run."""

from __future__ import annotations

import fcntl
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from glob import glob
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.process import Ended, Watch, run
from studio.space import Value, Values
from studio.store import FOLDER

GRACE = 3.0
"""Seconds within which DVC ends what it has begun to write."""
QUEUE = "refs/exps/stash"
"""Where DVC puts a run until it takes it from there itself."""
RUNNING = 2
"""What DVC notes of a run once its folder is complete."""
START = 60.0
"""Seconds after which DVC is stopped at whatever it does."""


class DvcRunner:
    """`dvc exp run --temp`, named; a run that was stopped leaves nothing behind."""

    def __init__(self, project: Path) -> None:
        self.project = project

    def run(self, name: str, values: Values, log: Path, watch: Watch) -> Ended:
        """One experiment of this name."""
        sets = [part for key, value in values.items() for part in ("-S", f"{key}={plain(value)}")]
        command = ["dvc", "--wait-for-lock", "exp", "run", "--temp", "-n", name, *sets]
        turn = Turn(self.project / FOLDER / "dvc.turn")
        try:
            self.tidy(name)  # what is noted of another run of this name is not this one's
            return run(command, log, Outside(self, name, watch, turn), cwd=self.project)
        finally:
            self.tidy(name)
            turn.over()

    def read(self, name: str, path: str) -> str:
        """A file as the experiment has committed it."""
        ref = self._ref(name)
        if ref is None:
            raise FileNotFoundError(f"there is no experiment {name}")
        done = self._git("show", f"{ref}:{path}")
        if done.returncode:
            raise FileNotFoundError(f"experiment {name} has no {path}")
        return done.stdout

    def exists(self, name: str) -> bool:
        """Whether there is an experiment of this name, on whatever commit."""
        return self._ref(name) is not None

    def discard(self, name: str) -> None:
        """Remove the experiment; `dvc gc` frees what it has in the cache."""
        self.tidy(name)
        if ref := self._ref(name):
            self._git("update-ref", "-d", ref)

    def tidy(self, name: str) -> None:
        """Remove what DVC leaves of a run that was stopped: its place in the queue, and its folder.

        Whatever is in the queue is made by the next run, too. What DVC may only be about to write
        for another run is given the time.
        """
        self._unqueue(name)
        for note, about in self._notes():
            if about["name"] == name:
                shutil.rmtree(self._runs / "standalone" / Path(about["root_dir"]).name, True)
                shutil.rmtree(note.parent, True)
        if halves := self._halves():
            time.sleep(GRACE)
            for half in halves & self._halves():
                shutil.rmtree(half, True) if half.is_dir() else half.unlink(missing_ok=True)

    def begun(self, name: str) -> bool:
        """Whether DVC runs it in its folder by now."""
        return any(a["name"] == name and a["status"] >= RUNNING for _, a in self._notes())

    def _unqueue(self, name: str) -> None:
        queue = self._git("reflog", "show", "--format=%H %gs", QUEUE, "--").stdout.splitlines()
        for place in reversed(range(len(queue))):
            if queue[place].endswith(f":{name}"):
                commit = queue.pop(place).split()[0]
                self._git("reflog", "delete", "--updateref", "--rewrite", f"{QUEUE}@{{{place}}}")
                if not queue:
                    self._git("update-ref", "-d", QUEUE, commit)

    def _halves(self) -> set[Path]:
        """What DVC was killed at: folders that it has no note of, lock files that are not whole."""
        noted = {Path(about["root_dir"]).name for _, about in self._notes()}
        folders = glob("tmp*", root_dir=self._runs / "standalone")
        locks = (self._runs / "rwlock", self._runs.parent / "rwlock")
        return {
            *(self._runs / "standalone" / name for name in folders if name not in noted),
            *(lock for lock in locks if lock.exists() and _json(lock) is None),
        }

    def _notes(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """What DVC notes of each run, and where."""
        places = ("run/*/*.run", "standalone/run/*/*.run")  # of the preparation, of the run itself
        for place in places:  # other runs take theirs away meanwhile, which Path.glob cannot stand
            for note in glob(place, root_dir=self._runs):
                if about := _json(self._runs / note):
                    yield self._runs / note, about

    @property
    def _runs(self) -> Path:
        return self.project / ".dvc/tmp/exps"

    def _ref(self, name: str) -> str | None:
        refs = self._git("for-each-ref", "--format=%(refname)", "refs/exps").stdout.split()
        found = [ref for ref in refs if ref.rpartition("/")[2] == name]
        return found[0] if found else None

    def _git(self, *words: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            ["git", *words], cwd=self.project, capture_output=True, text=True, check=False
        )
        if done.returncode and "not a git repository" in done.stderr:
            raise StudioError(f"{self.project} is no git repository; DVC experiments need one")
        return done


class Turn:
    """The turn to start a run, which ends when DVC has begun it, or with this process.

    DVC takes the first run in its queue for the one that it was told to make: of two that start
    together one may be made twice, once without its name.
    """

    def __init__(self, place: Path) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        self.file = place.open("ab")
        fcntl.flock(self.file, fcntl.LOCK_EX)

    def over(self) -> None:
        """Let the next one start; said again, it does nothing."""
        self.file.close()


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
        if not self.begun and self.runner.begun(self.name):
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


def _json(path: Path) -> Any:
    """What is in a file; `None` if it is not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
