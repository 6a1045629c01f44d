"""What DVC keeps of runs while it makes them: a queue, notes, folders. Killed, it leaves them."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import suppress
from glob import glob
from pathlib import Path
from typing import Any

import psutil

from studio.errors import StudioError

QUEUE = "refs/exps/stash"
"""Where DVC puts a run until it takes it from there itself."""
RUNNING = 2
"""What DVC notes of a run once its folder is complete."""


class Traces:
    """Those in a project."""

    def __init__(self, project: Path) -> None:
        self.project, self.folder = project, project / ".dvc/tmp/exps"

    def names(self) -> set[str]:
        """Of all runs that have any."""
        queued = (line.rpartition(":")[2] for line in self._queue())
        return {*queued, *(about["name"] for _, about in self._notes())}

    def begun(self, name: str) -> bool:
        """Whether DVC runs it in its folder by now."""
        return any(a["name"] == name and a["status"] >= RUNNING for _, a in self._notes())

    def live(self, name: str) -> bool:
        """Whether a process makes it: DVC that was told the name, or what works in its folder."""
        project = self.project.resolve()
        places = {Path(about["root_dir"]) for _, about in self._notes() if about["name"] == name}
        folders = {place.resolve() for place in places} - {project}  # that of a run without --temp
        for each in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                place = Path(each.cwd())
                if any(place.is_relative_to(folder) for folder in folders):
                    return True
                if place.is_relative_to(project) and _told(each.cmdline(), name):
                    return True
        return False

    def remove(self, name: str) -> None:
        """Its place in the queue, its notes and its folder."""
        queue = self._queue()
        for place in reversed(range(len(queue))):
            if queue[place].endswith(f":{name}"):
                commit = queue.pop(place).split()[0]
                words = ("reflog", "delete", "--updateref", "--rewrite", f"{QUEUE}@{{{place}}}")
                git(self.project, *words)
                if not queue:
                    git(self.project, "update-ref", "-d", QUEUE, commit)
        for note, about in self._notes():
            if about["name"] == name:
                shutil.rmtree(self.folder / "standalone" / Path(about["root_dir"]).name, True)
                shutil.rmtree(note.parent, True)

    def halves(self) -> set[Path]:
        """What DVC was killed at: folders that it has no note of, lock files that are not whole."""
        noted = {Path(about["root_dir"]).name for _, about in self._notes()}
        folders = glob("tmp*", root_dir=self.folder / "standalone")
        locks = (self.folder / "rwlock", self.folder.parent / "rwlock")
        return {
            *(self.folder / "standalone" / name for name in folders if name not in noted),
            *(lock for lock in locks if lock.exists() and _json(lock) is None),
        }

    def _queue(self) -> list[str]:
        words = ("reflog", "show", "--format=%H %gs", QUEUE, "--")
        return git(self.project, *words).stdout.splitlines()

    def _notes(self) -> Iterator[tuple[Path, dict[str, Any]]]:
        """What DVC notes of each run, and where."""
        places = ("run/*/*.run", "standalone/run/*/*.run")  # of the preparation, of the run itself
        for place in places:  # other runs take theirs away meanwhile, which Path.glob cannot stand
            for note in glob(place, root_dir=self.folder):
                if about := _json(self.folder / note):
                    yield self.folder / note, about


def git(project: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """What git says to that.

    Raises:
        StudioError: There is no repository.
    """
    done = subprocess.run(["git", *words], cwd=project, capture_output=True, text=True, check=False)
    if done.returncode and "not a git repository" in done.stderr:
        raise StudioError(f"{project} is no git repository; DVC experiments need one")
    return done


def _told(words: Sequence[str], name: str) -> bool:
    """Whether these are the words of `dvc exp run` with that name."""
    pairs = {*zip(words, words[1:])}
    runs = {("exp", "run"), ("experiments", "run")}
    named = {("-n", name), ("--name", name)}
    return bool(pairs & runs and (pairs & named or {f"-n{name}", f"--name={name}"} & {*words}))


def _json(path: Path) -> Any:
    """What is in a file; `None` if it is not whole."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
