"""The search demos of the runs that have what one needs; the last few stay open."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from studio.adapters import Adapter
from studio.adapters.demo import Demo
from studio.errors import StudioError
from studio.runs.files import RunFiles
from studio.runs.model import WORKSPACE, Out, Run
from studio.runs.trees import Tree
from studio.store import FOLDER

OPEN = 3
"""Demos that are kept in memory, and copies of runs that are kept on disk."""


class Demos:
    """Searches of the working tree, and of saved runs by copies of their files.

    Args:
        project: The repository.
        files: Those of its runs.
    """

    def __init__(self, project: Path, files: RunFiles) -> None:
        self.project, self.files = project, files
        self.folder = project / FOLDER / "demos"
        self._lock = threading.Lock()
        self._open: dict[tuple[str, object], Demo] = {}

    def of(self, run: Run, adapter: Adapter) -> Demo | None:
        """Searches of a run; `None`: the model has nothing to search.

        Raises:
            StudioError: Something of it is missing, or does not fit the rest.
        """
        with self._lock:
            key = (run.id, self._stamp() if run.id == WORKSPACE else None)
            demo, folder = self._open.pop(key, None), self._folder(run, adapter.demo_files)
            if demo is None and (demo := adapter.demo(folder, self.project)):
                threading.Thread(target=_warm, args=[demo], daemon=True).start()
            if demo:
                self._open[key] = demo
            for old in list(self._open)[:-OPEN]:
                del self._open[old]
            return demo

    def runs(self, runs: Sequence[Run], adapter: Adapter) -> list[Run]:
        """Those that have everything that a search needs, in git or in the cache.

        Args:
            runs: All there are; what DVC knows as an output of one of them, each must have.
        """
        wanted = {out.path for run in runs for out in run.outs} & {*adapter.demo_files}
        return [run for run in runs if run.id == WORKSPACE or self._has(run, wanted)]

    def _has(self, run: Run, wanted: set[str]) -> bool:
        outs = [out for out in run.outs if out.path in wanted and self._there(out)]
        return bool(wanted) and len(outs) == len(wanted)

    def _there(self, out: Out) -> bool:
        return out.kind == "git" or self.files.cache.place(out.digest or "") is not None

    def _stamp(self) -> object:
        lock = self.project / "dvc.lock"
        return lock.stat().st_mtime_ns if lock.exists() else None

    def _folder(self, run: Run, wanted: Sequence[str]) -> Path:
        """The working tree, or a copy of what is needed of a commit, there all at once."""
        if run.id == WORKSPACE:
            return self.project
        copy = self.folder / run.id
        if not copy.is_dir():
            self._copy(self.files.of(run), wanted, copy)
        copy.touch()
        copies = [each for each in self.folder.iterdir() if not each.name.startswith(".")]
        for old in sorted(copies, key=lambda each: each.stat().st_mtime_ns)[:-OPEN]:
            shutil.rmtree(old, True)
        return copy

    def _copy(self, tree: Tree, wanted: Sequence[str], copy: Path) -> None:
        """Another server may do the same, and be done before."""
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=".", dir=self.folder))
        try:
            for name in wanted:
                for path in tree.under(name) or [name]:
                    (draft / path).parent.mkdir(parents=True, exist_ok=True)
                    (draft / path).write_bytes(tree.read(path))
            draft.rename(copy)
        except OSError:
            if not copy.is_dir():
                raise
        finally:
            shutil.rmtree(draft, True)


def _warm(demo: Demo) -> None:
    """Ask once, so that nobody waits for what the first query has to load."""
    with suppress(StudioError):
        for words in demo.samples()[:1]:
            demo.by_words(words, demo.choices()[0].key, demo.methods()[0].key, 1)
