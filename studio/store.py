"""Where studies are kept: what every store can do, and which one a URL names."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import psutil

from studio.errors import StudioError
from studio.process import runs
from studio.space import Values
from studio.trials import Direction, State, Trial

FOLDER = Path(".studio")
SILENCE = 600.0
"""Seconds without a sign of life after which a trial on another host counts as dead."""


class Store(Protocol):
    """Studies and their trials; safe for several processes at once."""

    def names(self) -> list[str]:
        """Of all studies."""

    def create(
        self, name: str, settings: Mapping[str, Any], directions: Sequence[Direction]
    ) -> None:
        """A new study; an error if there is one of that name."""

    def settings(self, name: str) -> dict[str, Any]:
        """What the study was created with, and what was noted since; an error if there is none."""

    def note(self, name: str, key: str, value: Any) -> None:
        """Keep something with the study."""

    def begin(self, name: str, limit: int) -> int | None:
        """Claim the next number below `limit` for a running trial; `None` if there is none left."""

    def update(self, name: str, number: int, values: Values, notes: Mapping[str, Any]) -> None:
        """Set the parameters of a running trial, and notes."""

    def report(self, name: str, number: int, step: int, score: float) -> None:
        """What a running trial has reached."""

    def finish(
        self,
        name: str,
        number: int,
        state: State,
        scores: Sequence[float],
        notes: Mapping[str, Any],
    ) -> None:
        """End a trial; what is said of it later does not count."""

    def trials(self, name: str) -> list[Trial]:
        """All of them, by number."""


def open_store(url: str | None) -> Store:
    """The store that a URL names: a database of Optuna's, or else files in `.studio/`.

    Raises:
        StudioError: Optuna is needed and not installed, or cannot open it.
    """
    from studio.journal import Journal

    try:
        from studio.optuna_store import OptunaStore
    except ImportError as error:
        if url:
            raise StudioError(f"--storage needs Optuna: {error}; pip install optuna") from None
        return Journal(FOLDER)
    return OptunaStore(url or FOLDER / "studies.journal")


def owner() -> dict[str, Any]:
    """Who runs a trial, as noted with it."""
    me = psutil.Process()
    return {
        "host": socket.gethostname(),
        "pid": me.pid,
        "born": me.create_time(),
        "seen": time.time(),
    }


def alive(noted: Mapping[str, Any] | None) -> bool:
    """Whether the process that is noted with a running trial may still be there."""
    if not noted:
        return False
    if noted["host"] != socket.gethostname():
        return time.time() - float(noted["seen"]) < SILENCE
    return runs(noted["pid"], noted["born"])
