"""Trials as plain processes, without DVC: for trials of seconds."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from studio.adapters import Adapter
from studio.errors import StudioError
from studio.process import Ended, Watch, run
from studio.space import Values

PARAMS = "params.yaml"


class ProcessRunner:
    """Runs the adapter's commands in folders of their own, which link to what they read."""

    def __init__(self, adapter: Adapter, project: Path) -> None:
        self.adapter, self.project = adapter, project
        self.folder = Path(tempfile.mkdtemp(prefix="studio-"))

    def run(self, name: str, values: Values, log: Path, watch: Watch) -> Ended:
        """All commands, until one fails."""
        place = self._prepared(name, values)
        for command in self.adapter.commands:
            ended = run(command, log, watch, cwd=place)
            if ended.status or ended.stopped:
                break
        return ended

    def read(self, name: str, path: str) -> str:
        """A file of the run's folder."""
        return (self.folder / name / path).read_text(encoding="utf-8")

    def discard(self, name: str) -> None:
        """Delete the run's folder."""
        shutil.rmtree(self.folder / name, ignore_errors=True)

    def close(self) -> None:
        """Delete all of them."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _prepared(self, name: str, values: Values) -> Path:
        place = self.folder / name
        for source in self.adapter.inputs:
            link = place / source
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink((self.project / source).resolve(), link)
        params = yaml.safe_load((self.project / PARAMS).read_text(encoding="utf-8"))
        for key, value in values.items():
            put(params, key.split("."), value)
        (place / PARAMS).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        return place


def put(params: Any, keys: Sequence[str], value: Any) -> None:
    """Change one parameter in place.

    Raises:
        StudioError: There is no such parameter.
    """
    *path, last = keys
    found = params
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict) or last not in found:
        raise StudioError(f"{PARAMS} has no parameter '{'.'.join(keys)}'")
    found[last] = value
