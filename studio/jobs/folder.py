"""A job is a folder; its files are all there is between the server, the supervisor and others.

    spec.json         what it is; never changes
    state.json        how it stands; written by who holds the lock on spec.json
    progress.jsonl    {"step": 3, "score": 0.61} for each step
    log               what the command prints
    log.progress      what it reports, while it runs
    cancel            is there once it is to end

Files are replaced whole: who reads one sees it as it was or as it is. A job of which one cannot be
read is lost.
"""

from __future__ import annotations

import codecs
import fcntl
import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from studio.jobs.model import LIVE, Job, Progress
from studio.process import runs

PIECE = 1 << 18
TAIL = 1 << 14
"""Bytes of a log that are read at a time, and that are its end."""
LINE = 200
"""Characters of a line that are shown."""
SPEC: Mapping[str, Any] = {
    **dict.fromkeys(("kind", "subject", "created"), ""),
    "title": "A job that cannot be read",
    "command": (),
    "steps": None,
}
STATE: Mapping[str, Any] = {
    "state": "queued",
    **dict.fromkeys(("started", "ended", "status", "supervisor", "process")),
    "error": "",
}
"""What both files say of each job."""


class JobFolder:
    """One of them."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def number(self) -> str:
        """The job's."""
        return self.path.name

    def spec(self) -> dict[str, Any]:
        """What it is, as far as that can be read."""
        try:
            return _read(self.path / "spec.json", SPEC)
        except ValueError:
            return dict(SPEC)

    def state(self) -> dict[str, Any]:
        """How it stands, with the process that watches over it and the one that it watches."""
        try:
            _read(self.path / "spec.json", SPEC)
            return _read(self.path / "state.json", STATE)
        except ValueError as error:
            return {**STATE, "state": "lost", "error": str(error)}

    def live(self) -> bool:
        """Whether it is queued or runs."""
        return self.state()["state"] in LIVE

    def change(self, **changes: Any) -> None:
        """Note something of how it stands; for who holds it."""
        write(self.path / "state.json", self.state() | changes)

    @contextmanager
    def held(self) -> Iterator[bool]:
        """Hold the job as long as this lasts; false, and at once, if another one does."""
        with (self.path / "spec.json").open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                mine = True
            except BlockingIOError:
                mine = False
            yield mine

    def supervised(self) -> bool:
        """Whether the process that is noted to watch over it is still there."""
        noted = self.state()["supervisor"]
        return noted is not None and runs(noted["pid"], noted["born"])

    def ask_to_end(self) -> None:
        """Whoever watches over it notices."""
        (self.path / "cancel").touch()

    def asked_to_end(self) -> bool:
        """Whether somebody did."""
        return (self.path / "cancel").exists()

    def report(self, news: Sequence[tuple[int, float]]) -> None:
        """Note steps and scores."""
        lines = [
            json.dumps({"step": step, "score": score if math.isfinite(score) else None}) + "\n"
            for step, score in news
        ]
        if lines:
            with (self.path / "progress.jsonl").open("ab") as file:
                file.write("".join(lines).encode())

    def log(self, after: int) -> tuple[str, int]:
        """What the log has from that byte on, up to a limit, and the byte to go on from.

        A character of which only a part is written waits for the rest, if there may be one.
        """
        final = not self.live()  # known before the log is read: nothing comes after it then
        try:
            with (self.path / "log").open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                start = file.seek(min(max(after, 0), size))
                found = file.read(PIECE)
        except FileNotFoundError:
            return "", 0
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        text = decoder.decode(found, final and start + len(found) >= size)
        return text, start + len(found) - len(decoder.getstate()[0])

    def log_tail(self) -> str:
        """The last lines of the log."""
        found = _tail(self.path / "log")
        return found if len(found) < TAIL else found.partition("\n")[2] or found

    def job(self) -> Job:
        """The job as it stands."""
        spec, state = self.spec(), self.state()
        kept = {key: state[key] for key in ("state", "started", "ended", "status", "error")}
        return Job(
            id=self.number,
            **{key: spec[key] for key in ("kind", "subject", "title", "created")},
            **kept,
            command=tuple(spec["command"]),
            progress=self._progress(spec["steps"]),
            cancelling=state["state"] in LIVE and self.asked_to_end(),
        )

    def _progress(self, steps: int | None) -> Progress:
        lines = [line.strip() for line in _tail(self.path / "log").splitlines()]
        text = next((line for line in reversed(lines) if line), "")[:LINE]
        whole = _tail(self.path / "progress.jsonl").rpartition("\n")[0]
        try:
            report = json.loads(whole.rpartition("\n")[2])
            return Progress(report["step"], steps, report["score"], text)
        except (ValueError, TypeError, KeyError):  # none yet, or a damaged one
            return Progress(steps=steps, text=text)


def create(path: Path, spec: Mapping[str, Any]) -> None:
    """A queued job, there all at once."""
    draft = path.with_name(f".{path.name}")
    draft.mkdir(exist_ok=True)
    write(draft / "spec.json", spec)
    write(draft / "state.json", STATE)
    draft.rename(path)


def write(path: Path, content: Mapping[str, Any]) -> None:
    """Replace a file, by one that a machine which goes down does not leave empty."""
    draft = path.with_name(f".{path.name}.new")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(content, file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _read(path: Path, keys: Mapping[str, Any]) -> dict[str, Any]:
    """What a file says; a `ValueError` if that is not there, or is damaged."""
    try:
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(found, dict) or keys.keys() - found:
            raise ValueError(f"it must have {', '.join(keys)}")
    except (OSError, ValueError) as error:
        raise ValueError(f"{path.name} of this job cannot be read: {error}") from None
    return found


def _tail(path: Path) -> str:
    """The end of a file, nothing if it is not there."""
    try:
        with path.open("rb") as file:
            file.seek(max(file.seek(0, os.SEEK_END) - TAIL, 0))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""
