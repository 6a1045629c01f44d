"""The list of runs, always at once: from memory, or from the file that an earlier server left."""

from __future__ import annotations

import difflib
import os
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import NotFound, StudioError
from studio.runs.listing import Listing, collect, from_text, key
from studio.runs.model import Run
from studio.store import FOLDER

AGAIN = 10.0
"""Seconds before what failed is tried again."""
NEAR = 5


@dataclass(frozen=True)
class Stand:
    """How old the list is (ISO 8601), whether a newer one is on its way, what went wrong last."""

    made: str | None
    refreshing: bool
    problem: str | None


class RunStore:
    """All runs of a DVC repository; for several threads at once.

    A reader gets the last list, and starts a refresh when something has changed. Only the first one
    ever waits.
    """

    def __init__(self, repo: Path) -> None:
        self.repo, self.file = repo, repo / FOLDER / "runs.json"
        self._lock, self._begun = threading.Lock(), threading.Lock()
        self._worker: threading.Thread | None = None
        self._problem: str | None = None
        self._failed = -AGAIN
        self._listing: Listing | None = None
        try:
            self._listing = from_text(self.file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            pass  # none yet

    def runs(self) -> list[Run]:
        """The working tree, then each branch with its experiments.

        Raises:
            StudioError: There is no list yet, and DVC cannot make one.
        """
        listing = self._listing or self._collected(None)
        if self._changed(listing):
            self._refresh(listing)
        return list(listing.runs)

    def fresh(self) -> list[Run]:
        """As they are now: waits where something has changed.

        Raises:
            StudioError: DVC cannot list them.
        """
        self.wait()
        listing = self._listing
        if listing is None or self._changed(listing):
            listing = self._collected(listing)
        return list(listing.runs)

    def run(self, name: str) -> Run:
        """The run of this id, or else of this name.

        Raises:
            StudioError: There is none, or there are several of this name.
        """
        return self.pick([name])[0]

    def pick(self, names: Sequence[str]) -> list[Run]:
        """The same for several, of one list.

        Raises:
            StudioError: As `run`.
        """
        runs = self.runs()
        try:
            return [_one(runs, name) for name in names]
        except NotFound:  # it may have been made since
            runs = self.fresh()
            return [_one(runs, name) for name in names]

    def stand(self) -> Stand:
        """Of the list that `runs` gives."""
        listing = self._listing
        return Stand(listing.made if listing else None, self._working(), self._problem)

    def wait(self) -> None:
        """Until the refresh that is on its way is done."""
        if worker := self._worker:
            worker.join()

    def _changed(self, listing: Listing) -> bool:
        return key(self.repo, listing.files) != listing.key

    def _working(self) -> bool:
        return self._worker is not None and self._worker.is_alive()

    def _collected(self, before: Listing | None) -> Listing:
        """What follows a list, made once for all who wait for it."""
        with self._begun:
            if self._listing is before or self._listing is None:
                return self._keep(collect(self.repo))
            return self._listing

    def _refresh(self, before: Listing) -> None:
        """Start one, unless it is done by now, under way, or has just failed."""
        with self._lock:
            waits = time.monotonic() - self._failed < AGAIN
            if self._listing is before and not self._working() and not waits:
                self._worker = threading.Thread(
                    target=self._work, args=[before], name="runs", daemon=True
                )
                self._worker.start()

    def _work(self, before: Listing) -> None:
        try:
            self._collected(before)
        except Exception as error:  # whatever it is, readers have the last list
            self._problem, self._failed = str(error), time.monotonic()

    def _keep(self, listing: Listing) -> Listing:
        self._listing, self._problem, self._failed = listing, None, -AGAIN
        draft = self.file.with_name(f".{self.file.name}.{os.getpid()}")
        try:
            self.file.parent.mkdir(exist_ok=True)
            draft.write_text(listing.to_text(), encoding="utf-8")
            draft.replace(self.file)
        except OSError as error:
            self._problem = f"cannot keep the list of runs for the next start: {error}"
        return listing


def _one(runs: Iterable[Run], name: str) -> Run:
    found = [run for run in runs if run.id == name]
    found = found or [run for run in runs if name in run.names]
    if len(found) == 1:
        return found[0]
    if found:
        ids = ", ".join(run.id for run in found)
        raise StudioError(f"{len(found)} runs are named '{name}'; take one of the ids {ids}")
    every = [known for run in runs for known in (*run.names, run.id)]
    near = difflib.get_close_matches(name, every, NEAR, 0.5)
    others = f"; names near to it: {', '.join(near)}" if near else ""
    raise NotFound(f"there is no run '{name}'{others}")
