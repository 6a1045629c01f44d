"""Who may start a run, and what it may be called: locks that end with the process that has them."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from studio import process
from studio.process import Watch


class Names:
    """Names of runs on their way: a file for each, which the process that makes the run has locked.

    The folder itself is locked while one is taken or looked at: who only looks stands in no way.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ours: set[str] = set()

    @contextmanager
    def held(self, name: str) -> Iterator[bool]:
        """Hold a name as long as this lasts; false if another one does. Inside, it is ours."""
        if name in self.ours:
            yield True
            return
        path = self.folder / name
        with self._alone():
            file = path.open("ab")
            mine = _locked(file)
        try:
            if mine:
                self.ours.add(name)
            yield mine
        finally:
            with self._alone():
                if mine:
                    self.ours.remove(name)
                    path.unlink(missing_ok=True)
                file.close()

    def taken(self, name: str) -> bool:
        """Whether anybody holds it."""
        path = self.folder / name
        with self._alone():
            if not path.exists():
                return False
            with path.open("ab") as file:
                return not _locked(file)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self.folder.mkdir(parents=True, exist_ok=True)
        place = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.flock(place, fcntl.LOCK_EX)
            yield
        finally:
            os.close(place)


class Turn:
    """The turn to start a run, which ends when DVC has begun it, or with this process.

    DVC takes the first run in its queue for the one that it was told to make: of two that start
    together one may be made twice, once without its name.

    Attributes:
        mine: False if `watch` said so before it was our turn.
    """

    def __init__(self, place: Path, watch: Watch) -> None:
        place.parent.mkdir(parents=True, exist_ok=True)
        self.file = place.open("ab")
        while not (locked := _locked(self.file)) and not watch.stop([]):
            time.sleep(process.POLL)
        self.mine = locked

    def over(self) -> None:
        """Let the next one start; said again, it does nothing."""
        self.file.close()


def _locked(file: IO[bytes]) -> bool:
    """Lock a file, unless another one has."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
