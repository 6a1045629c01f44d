"""The list of runs as DVC tells it, with a key of all that it depends on."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from studio.errors import StudioError
from studio.process import environment
from studio.runs.git import branches, git, head, known
from studio.runs.model import Run, from_json, to_json
from studio.runs.shown import runs_of, watched

FORMAT = 1
PAUSE = 1.0
"""Seconds before DVC is asked once more."""
TICK = 20_000_000
"""Nanoseconds: the clock that stamps files may be this much behind."""
EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/")
QUEUED = re.compile(r"dvc-exp:[0-9a-f]+:([0-9a-f]{40})")
RUNNING = 3
"""What DVC notes of a run that has not ended is this at most, and its folder is there."""


@dataclass(frozen=True)
class Listing:
    """All runs as they were when `key` was true; `files` are what it covers of the working tree."""

    key: str
    made: str
    files: tuple[str, ...]
    runs: tuple[Run, ...]

    def to_text(self) -> str:
        """For a file."""
        about = {"format": FORMAT, "key": self.key, "made": self.made, "files": self.files}
        return json.dumps(about | {"runs": [to_json(run) for run in self.runs]})


def from_text(text: str) -> Listing | None:
    """The listing that was written; None if another version did, or it is not whole."""
    try:
        found = json.loads(text)
        if found["format"] != FORMAT:
            return None
        runs = tuple(map(from_json, found["runs"]))
        return Listing(found["key"], found["made"], tuple(found["files"]), runs)
    except (ValueError, KeyError, TypeError):
        return None


def collect(repo: Path) -> Listing:
    """Ask DVC, in a process of its own: it changes directory, and takes seconds.

    Raises:
        StudioError: DVC cannot list the runs.
    """
    committed, started = _committed(repo), time.time_ns() - TICK
    rows = _show(repo, [*_baselines(repo, committed)])
    tracked = (path for path in known(repo) if path.endswith((".dvc", "dvc.lock", "dvc.yaml")))
    files = tuple(sorted({"dvc.yaml", "dvc.lock", *watched(rows), *tracked}))
    during = any(about[0] >= started for about in _stats(repo, files))
    return Listing(
        key="" if during else _key(repo, committed, files),
        made=datetime.now().astimezone().isoformat(timespec="seconds"),
        files=files,
        runs=tuple(runs_of(rows, branches(repo), head(repo))),
    )


def key(repo: Path, files: Iterable[str]) -> str:
    """Changes whenever the list of runs may have; a few milliseconds."""
    return _key(repo, _committed(repo), files)


def _key(repo: Path, committed: str, files: Iterable[str]) -> str:
    about = committed + repr([about[1:] for about in _stats(repo, files)])
    return hashlib.sha256(about.encode()).hexdigest()


def _committed(repo: Path) -> str:
    """What is committed, checked out, queued and running."""
    form = "--format=%(objectname) %(refname) %(HEAD)"
    refs = git(repo, "for-each-ref", form, "refs/heads", "refs/exps").decode()
    notes = sorted(about[1:] for about in _stats(repo, map(str, _notes(repo))))
    return f"{head(repo)}\n{refs}{notes}"


def _stats(repo: Path, files: Iterable[str]) -> Iterator[tuple[int, str, int, int, int]]:
    """When each was last touched, and what tells one version from the next."""
    for file in files:
        try:
            about = (repo / file).stat()
        except OSError:
            continue
        yield about.st_ctime_ns, file, about.st_mtime_ns, about.st_size, about.st_ino


def _notes(repo: Path) -> Iterator[Path]:
    """DVC's of each run, in the working tree or beside it."""
    for place in ("run/*/*.run", "standalone/run/*/*.run"):
        yield from (repo / ".dvc/tmp/exps").glob(place)


def _baselines(repo: Path, committed: str) -> set[str]:
    """Where experiments started, on a branch or not, of those queued and running, too."""
    found = {"".join(parts) for parts in EXPERIMENT.findall(committed)}
    for ref in re.findall(r"refs/exps/celery/\S+", committed):
        found |= {*QUEUED.findall(git(repo, "log", "-g", "--format=%gs", ref, "--").decode())}
    for note in _notes(repo):
        about = _json(note)
        if about.get("status", RUNNING + 1) <= RUNNING and Path(about["root_dir"]).is_dir():
            found.add(str(about["baseline_rev"]))
    there = git(repo, "cat-file", "--batch-check", given="\n".join([*found, ""]).encode())
    answers = [line.split() for line in there.decode().splitlines()]
    return {name for name, kind, *_ in answers if kind == "commit"}


def _show(repo: Path, baselines: Iterable[str]) -> list[dict[str, Any]]:
    """DVC's answer; once more if it is busy, or a run has ended under its hands."""
    words = ["dvc", "exp", "show", "--json", "--all-branches", "--rev", "HEAD"]
    words += [word for commit in sorted(baselines) for word in ("--rev", commit)]
    for last in (False, True):
        try:
            done = subprocess.run(
                words, cwd=repo, env=environment(), stdin=subprocess.DEVNULL, capture_output=True
            )
        except OSError as error:
            raise StudioError(f"cannot run dvc: {error}; pip install dvc") from None
        if not done.returncode:
            rows: list[dict[str, Any]] = json.loads(done.stdout)
            return rows
        if not last:
            time.sleep(PAUSE)
    said = done.stderr.decode("utf-8", "replace").strip()
    raise StudioError(f"`dvc exp show` failed in {repo}: {said}")


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
