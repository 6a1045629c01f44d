"""What the pages and the API of one project share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property, lru_cache
from pathlib import Path

from studio.adapters import Adapter, get_adapter, list_adapters
from studio.adapters.demo import Demo
from studio.errors import NotFound, StudioError
from studio.jobs.board import Board
from studio.params import PARAMS, look_up, read_params
from studio.runs.checkpoints import Checkpoints
from studio.runs.curves import Curve, curves, lacking
from studio.runs.files import RunFiles
from studio.runs.model import WORKSPACE, Run
from studio.runs.stars import Stars
from studio.runs.store import RunStore
from studio.store import FOLDER, Store, open_store
from studio.study import Study
from studio.trials import Direction
from studio.web.demos import Demos

COMMITS = 64
"""Commits whose curves are remembered: they do not change."""


class Site:
    """A project, its runs, its jobs and its studies.

    Args:
        project: A git repository with DVC.
        storage: Of the studies, as `studio.store.open_store` takes it.
        jobs_at_a_time: How many run; the others wait.
    """

    def __init__(self, project: Path, storage: str | None, jobs_at_a_time: int = 1) -> None:
        self.project, self.storage = project, storage
        self.runs, self.files, self.stars = RunStore(project), RunFiles(project), Stars(project)
        self.checkpoints = Checkpoints(self.runs, self.files.cache)
        self.board, self.demos = Board(project, jobs_at_a_time, storage), Demos(project, self.files)
        self._curves: dict[str, Sequence[Curve]] = {}
        self._fitting = lru_cache(1)(self._find_adapter)
        self._opening = threading.Lock()

    @cached_property
    def _store(self) -> Store:
        return open_store(self.storage)

    @property
    def store(self) -> Store:
        """Of the studies."""
        with self._opening:
            return self._store

    def study(self, name: str) -> Study:
        """One of them.

        Raises:
            NotFound: There is none of this name.
        """
        return Study(self.store, name)

    @property
    def adapter(self) -> Adapter | None:
        """The one whose parameters this project has; `None` where no model is known."""
        params = self.project / PARAMS
        return self._fitting(params.stat().st_mtime_ns if params.exists() else None)

    def directions(self, runs: Sequence[Run]) -> dict[str, Direction]:
        """Which way metrics of the runs are better, as far as the adapter knows."""
        names = {name for run in runs for name in run.metrics}
        lower = self.adapter.lower if self.adapter else ()
        return {name: "minimize" for name in names if name.rpartition(".")[2] in lower}

    def other_params(self) -> list[str]:
        """Parameters of other files than params.yaml, as `FILE:KEY`."""
        return [name for run in self.runs.runs()[:1] for name in run.params if ":" in name]

    def demo(self, name: str) -> Demo:
        """Searches of a run, by its id or name.

        Raises:
            NotFound: There is no such run, or nothing to search.
            StudioError: Something of it is missing, or does not fit the rest.
        """
        adapter = self.adapter
        if adapter is None:
            raise NotFound("no adapter knows the model of this project; one says how to search it")
        demo = self.demos.of(self.runs.run(name), adapter)
        if demo is None:
            raise NotFound(f"the adapter {adapter.name} has nothing to search")
        return demo

    def curves(self, run: Run) -> Sequence[Curve]:
        """What a run has to draw; nothing before it is saved."""
        if run.state != "saved" and run.id != WORKSPACE:
            return []
        found = self._curves.get(run.id)
        if found is None:
            found = curves(self.files.of(run))
            if run.id != WORKSPACE and not self.lacking(run):
                self._curves[run.id] = found
                for old in list(self._curves)[:-COMMITS]:
                    self._curves.pop(old, None)
        return found

    def lacking(self, run: Run) -> list[str]:
        """Outputs that a saved run has curves in and that are not in DVC's cache."""
        if run.state != "saved" or run.id == WORKSPACE:
            return []
        return lacking(self.files.of(run), self.files.cache)

    def warm(self) -> None:
        """Have at hand what the first page would wait for."""
        try:
            self.runs.runs()
            _ = self.files.cache.folder
        except StudioError:
            pass  # the page says so
        folder = self.project / FOLDER
        if folder.is_dir() and not (folder / ".gitignore").exists():
            (folder / ".gitignore").write_text("*\n", encoding="utf-8")

    def _find_adapter(self, stamp: int | None) -> Adapter | None:
        """It is looked for again when the parameters have another stamp."""
        adapters = (get_adapter(name) for name in list_adapters())
        return next((each for each in adapters if _fits(each, self.project)), None)


def _fits(adapter: Adapter, project: Path) -> bool:
    try:
        params = read_params(project)
        for name in (adapter.epochs, *adapter.search_ranges()):
            look_up(params, name)
    except StudioError:
        return False
    return True
