"""Files of a run, without touching the working tree.

A path is looked up in what git lists and DVC's lock files name, and is joined to a folder only if
it was found there.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from studio.errors import StudioError
from studio.runs.cache import Cache
from studio.runs.model import WORKSPACE, Run
from studio.runs.trees import Commit, Tree, WorkingTree

COMMITS = 64
"""Commits whose lists are remembered: they do not change."""


class RunFiles:
    """The files of the runs of a DVC repository; for several threads at once."""

    def __init__(self, repo: Path) -> None:
        self.repo, self.cache = repo, Cache(repo)
        self._commit = lru_cache(COMMITS)(self._listed)

    def of(self, run: Run) -> Tree:
        """All files of a run, to read several.

        Raises:
            StudioError: It is not saved, or one of its lock files cannot be read.
        """
        if run.id == WORKSPACE:
            return WorkingTree(self.repo, self.cache)
        if run.state != "saved":
            raise StudioError(f"run {run.name} is {run.state}; it has files once it is saved")
        return self._commit(run.id)

    def read(self, run: Run, path: str) -> bytes:
        """What is in one file of a run.

        Args:
            run: Of the same repository.
            path: From the top of the repository, as `of(run).under("")` gives it.

        Raises:
            StudioError: The run has no such file, or it is not in the cache.
        """
        return self.of(run).read(path)

    def _listed(self, commit: str) -> Commit:
        return Commit(self.repo, self.cache, commit)
