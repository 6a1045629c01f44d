"""What a study is about: its objectives, and the trials that were made for them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from studio.space import Values

State = Literal["running", "complete", "pruned", "failed", "cancelled"]
Direction = Literal["maximize", "minimize"]


@dataclass(frozen=True)
class Trial:
    """One try.

    Attributes:
        number: Counted from 0 within the study.
        values: The searched and fixed parameters that were in force.
        scores: One for each objective, once complete.
        reports: The first objective as it was reported on the way, by step.
        notes: What else is known: experiment, start and end, the tail of a log.
    """

    number: int
    values: Values
    state: State
    scores: tuple[float, ...] = ()
    reports: dict[int, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)


def complete(trials: Iterable[Trial]) -> list[Trial]:
    """Those that have scores."""
    return [trial for trial in trials if trial.state == "complete"]


def best(trials: Iterable[Trial], directions: Sequence[Direction]) -> list[Trial]:
    """The complete trials that no other one beats, first made first (the Pareto front).

    With one objective these are the trials with the best score.
    """
    signs = [1 if direction == "maximize" else -1 for direction in directions]
    done = [
        (trial, [sign * score for sign, score in zip(signs, trial.scores, strict=True)])
        for trial in sorted(complete(trials), key=lambda trial: trial.number)
    ]
    return [trial for trial, scores in done if not any(_beats(other, scores) for _, other in done)]


def _beats(first: list[float], second: list[float]) -> bool:
    """Whether no score of the first is lower, and one is higher."""
    return all(a >= b for a, b in zip(first, second)) and first != second
