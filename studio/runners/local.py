"""Trials as plain processes, without DVC: for trials of seconds."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import yaml

from studio.adapters import Adapter
from studio.errors import StudioError
from studio.params import PARAMS, put, read_params
from studio.process import Ended, Watch, run
from studio.space import Values
from studio.store import FOLDER


class ProcessRunner:
    """Runs the adapter's commands in folders of their own, which link to what they read.

    These stay, in `.studio/runs`, with all that a trial has written.

    Raises:
        StudioError: Something that they read is missing.
    """

    def __init__(self, adapter: Adapter, project: Path) -> None:
        self.adapter, self.project = adapter, project
        self.folder = project / FOLDER / "runs"
        for source in adapter.inputs:
            if not (project / source).exists():
                raise StudioError(f"{source}, which trials read, is not there; make it: dvc repro")

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

    def _prepared(self, name: str, values: Values) -> Path:
        self.discard(name)
        place = self.folder / name
        place.mkdir(parents=True)
        params = read_params(self.project)
        for key, value in values.items():
            put(params, key, value)
        for source in self.adapter.inputs:
            link = place / source
            link.parent.mkdir(parents=True, exist_ok=True)
            os.symlink((self.project / source).resolve(), link)
        (place / PARAMS).write_text(yaml.safe_dump(params, sort_keys=False), encoding="utf-8")
        return place
