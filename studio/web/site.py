"""What the pages and the API of one project share."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path

from studio.adapters import Adapter, get_adapter, list_adapters
from studio.adapters.demo import Demo
from studio.errors import StudioError
from studio.jobs.board import Board
from studio.params import look_up, read_params
from studio.runs.checkpoints import Checkpoints
from studio.runs.files import RunFiles
from studio.runs.stars import Stars
from studio.runs.store import RunStore
from studio.store import Store, open_store
from studio.study import Study


class Site:
    """A project, its runs, its jobs and its studies.

    Args:
        project: A git repository with DVC.
        storage: Of the studies, as `studio.store.open_store` takes it.
    """

    def __init__(self, project: Path, storage: str | None) -> None:
        self.project, self.storage = project, storage
        self.runs, self.files, self.stars = RunStore(project), RunFiles(project), Stars(project)
        self.checkpoints = Checkpoints(self.runs, self.files.cache)
        self.board = Board(project)
        self._demo: tuple[object, Demo | None] = (None, None)
        self._lock = threading.Lock()

    @cached_property
    def store(self) -> Store:
        """Of the studies."""
        return open_store(self.storage)

    def study(self, name: str) -> Study:
        """One of them; a `StudioError` if there is none."""
        return Study(self.store, name)

    @property
    def adapter(self) -> Adapter | None:
        """The one whose parameters this project has; `None` where no model is known."""
        for name in list_adapters():
            adapter = get_adapter(name)
            if _fits(adapter, self.project):
                return adapter
        return None

    def demo(self) -> Demo | None:
        """The search over what this project has built, kept until that is built again.

        Raises:
            StudioError: Something of it is missing, or does not fit the rest.
        """
        lock = self.project / "dvc.lock"
        stamp = lock.stat().st_mtime_ns if lock.exists() else None
        with self._lock:
            if self._demo[0] != stamp or self._demo[1] is None:
                adapter = self.adapter
                self._demo = (stamp, adapter.demo(self.project) if adapter else None)
            return self._demo[1]


def _fits(adapter: Adapter, project: Path) -> bool:
    try:
        params = read_params(project)
        for name in (adapter.epochs, *adapter.search_ranges()):
            look_up(params, name)
    except StudioError:
        return False
    return True
