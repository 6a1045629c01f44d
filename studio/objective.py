"""Objectives: where in a run's metrics the numbers are, and which way is better.

`FILE:KEY.KEY` is one number of a JSON file; `FILE:KEY.KEY,KEY.KEY` the mean of several. In front,
`min:` where less is better.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from studio.errors import StudioError
from studio.trials import Direction

MINIMIZE = "min:"
"""In front of an objective of which less is better."""
Read = Callable[[str], str]
"""The text of a file of a run, by its path."""


@dataclass(frozen=True)
class Objective:
    """The mean of some numbers of a metrics file."""

    file: str
    keys: tuple[str, ...]
    direction: Direction

    def score(self, read: Read) -> float:
        """Its value in a run.

        Raises:
            StudioError: The file is missing, or has no such number, or one that is not finite.
        """
        try:
            metrics = json.loads(read(self.file))
        except (OSError, ValueError) as error:
            raise StudioError(f"no metrics in {self.file}: {error}") from None
        return sum(self._number(metrics, key) for key in self.keys) / len(self.keys)

    def _number(self, metrics: Any, key: str) -> float:
        found = metrics
        for part in key.split("."):
            if not isinstance(found, dict) or part not in found:
                known = ", ".join(found) if isinstance(found, dict) else "no more"
                raise StudioError(f"{self.file} has no '{key}': at '{part}' there is {known}")
            found = found[part]
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise StudioError(f"{self.file}: '{key}' is no number but {found!r}")
        if not math.isfinite(found):
            raise StudioError(f"{self.file}: '{key}' is {found}")
        return float(found)


def parse_objective(written: str) -> Objective:
    """The objective that is written down.

    Raises:
        StudioError: It is not written as the module says.
    """
    direction: Direction = "minimize" if written.startswith(MINIMIZE) else "maximize"
    file, colon, keys = written.removeprefix(MINIMIZE).partition(":")
    if not file or not colon or not all(keys.split(",")):
        raise StudioError(
            f"cannot read objective '{written}'; expected FILE:KEY.KEY, with 'min:' in front where "
            "less is better"
        )
    return Objective(file, tuple(keys.split(",")), direction)
