"""What every search engine does: ask for parameters, be told what came of them."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from studio.space import Space, Values
from studio.trials import Direction, Trial, best


class BaseSearchEngine(ABC):
    """Chooses parameters from a space.

    An engine keeps nothing on disk: who continues a study tells it all trials once more. What it
    answers depends on these, the seed and the trial's number alone.

    Args:
        directions: Of the objectives, in the order of the scores.
        options: The engine's own settings, such as a pruner's.

    Attributes:
        name: By which it is asked for and recorded.
        capabilities: Of "pruning", "importance", "several objectives".
    """

    name: ClassVar[str]
    capabilities: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        space: Space,
        directions: Sequence[Direction],
        seed: int = 0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.space, self.directions, self.seed = space, tuple(directions), seed
        self.options = dict(options or {})
        self.history: dict[int, Trial] = {}

    @abstractmethod
    def ask(self, number: int) -> Values:
        """The parameters to try in the trial of this number."""

    def tell(self, trial: Trial) -> None:
        """Learn how a trial stands; told again, the later word counts."""
        self.history[trial.number] = trial

    def should_prune(self, trial: Trial) -> bool:
        """Whether a running trial is not worth going on, by what it has reported."""
        return False

    def best(self) -> list[Trial]:
        """The trials that no other one beats."""
        return best(self.history.values(), self.directions)

    def importance(self) -> dict[str, dict[str, float]]:
        """By evaluator: the share that each parameter has in the first objective."""
        return {}

    def seed_of(self, number: int) -> int:
        """A seed for this trial alone: a study that continues never repeats one."""
        digest = hashlib.sha256(f"{self.seed}/{number}".encode()).digest()
        return int.from_bytes(digest[:4], "big")
