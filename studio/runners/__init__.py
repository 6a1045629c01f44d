"""Trial runners: ways to turn parameters into scores."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from studio.process import Ended, Watch
from studio.space import Values


class Runner(Protocol):
    """Runs trials, from several threads at once."""

    def run(self, name: str, values: Values, log: Path, watch: Watch) -> Ended:
        """Run one to the end, or until `watch` says so.

        Raises:
            StudioError: No run of any values can work.
        """

    def read(self, name: str, path: str) -> str:
        """A file that the run of this name has made; an `OSError` if it has not."""

    def discard(self, name: str) -> None:
        """Forget what the run of this name has made, or left when it was killed."""
