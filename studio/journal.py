"""Studies as files of JSON lines: the store where Optuna is not installed.

A study is one file, only ever appended to; what was said last counts. A line that a killed process
left half written is passed over.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from studio.errors import NotFound, StudioError
from studio.space import Values
from studio.trials import Direction, State, Trial


class Journal:
    """Files in a folder, one for each study."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Of all studies."""
        return sorted(path.stem for path in self.folder.glob("*.jsonl"))

    def create(
        self, name: str, settings: Mapping[str, Any], directions: Sequence[Direction]
    ) -> None:
        """A new study."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f".{name}.{os.getpid()}"
        draft.write_text(json.dumps({"study": dict(settings)}) + "\n", encoding="utf-8")
        try:
            os.link(draft, self._path(name))
        except FileExistsError:
            raise StudioError(f"there is a study '{name}' already; take another name") from None
        finally:
            draft.unlink()

    def settings(self, name: str) -> dict[str, Any]:
        """Those of its creation, with what was noted since."""
        found: dict[str, Any] = {}
        for line in self._lines(name):
            found |= line.get("study", {})
        return found

    def note(self, name: str, key: str, value: Any) -> None:
        """Keep something with the study."""
        self._append(name, {"study": {key: value}})

    def begin(self, name: str, limit: int) -> int | None:
        """The next number below `limit`."""
        with self._locked(name):
            number = len(self.trials(name))
            if number >= limit:
                return None
            self._append(name, {"trial": number, "state": "running"})
        return number

    def update(self, name: str, number: int, values: Values, notes: Mapping[str, Any]) -> None:
        """Set the parameters of a running trial, and notes."""
        self._append(name, {"trial": number, "values": values, "notes": dict(notes)})

    def report(self, name: str, number: int, step: int, score: float) -> None:
        """What a running trial has reached."""
        self._append(name, {"trial": number, "step": step, "score": score})

    def finish(
        self,
        name: str,
        number: int,
        state: State,
        scores: Sequence[float],
        notes: Mapping[str, Any],
    ) -> None:
        """End a trial; what is said of it later does not count."""
        line = {"trial": number, "state": state, "scores": list(scores), "notes": dict(notes)}
        self._append(name, line)

    def trials(self, name: str) -> list[Trial]:
        """All of them, by number."""
        found: dict[int, Trial] = {}
        for line in self._lines(name):
            if "trial" not in line:
                continue
            number = line["trial"]
            trial = found.setdefault(number, Trial(number, {}, "running"))
            if trial.state != "running":
                continue
            if "step" in line:
                trial.reports[line["step"]] = line["score"]
            found[number] = replace(
                trial,
                values=line.get("values", trial.values),
                state=line.get("state", trial.state),
                scores=tuple(line.get("scores", trial.scores)),
                notes=trial.notes | line.get("notes", {}),
            )
        return [found[number] for number in sorted(found)]

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.jsonl"

    def _known(self, name: str) -> Path:
        if name not in self.names():
            raise NotFound(f"no study '{name}'; known: {', '.join(self.names())}")
        return self._path(name)

    def _lines(self, name: str) -> Iterator[dict[str, Any]]:
        for line in self._known(name).read_text(encoding="utf-8").splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue

    def _append(self, name: str, line: dict[str, Any]) -> None:
        """In one write, on a line of its own even after one that was cut off."""
        with self._known(name).open("ab+") as file:
            file.seek(max(file.seek(0, 2) - 1, 0))
            whole = file.read(1) in (b"", b"\n")
            file.write(("" if whole else "\n").encode() + json.dumps(line).encode() + b"\n")

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        with self._known(name).open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
