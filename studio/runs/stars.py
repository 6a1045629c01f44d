"""Runs that somebody has starred, in a file."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

from studio.store import FOLDER


class Stars:
    """The stars of a repository; safe for several threads and processes at once."""

    def __init__(self, repo: Path) -> None:
        self.file = repo / FOLDER / "stars.json"

    def ids(self) -> set[str]:
        """Of all runs that have one; a run that is gone keeps it."""
        try:
            return {*json.loads(self.file.read_text(encoding="utf-8"))}
        except (OSError, ValueError):
            return set()

    def star(self, run_id: str) -> None:
        """Give a run a star, if it has none."""
        self._change(run_id, True)

    def unstar(self, run_id: str) -> None:
        """Take it away, if there is one."""
        self._change(run_id, False)

    def _change(self, run_id: str, wanted: bool) -> None:
        self.file.parent.mkdir(exist_ok=True)
        draft = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        with self.file.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            ids = self.ids() | {run_id} if wanted else self.ids() - {run_id}
            draft.write_text(json.dumps(sorted(ids)), encoding="utf-8")
            draft.replace(self.file)
