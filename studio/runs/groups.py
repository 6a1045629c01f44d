"""Repeats over seeds as one: mean, standard deviation and count of each metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from studio.runs import metrics
from studio.runs.model import Run
from studio.runs.values import same

SEEDS = ("seed", "*.seed", "*:seed")


@dataclass(frozen=True)
class Spread:
    """A metric over repeats: mean, standard deviation (n - 1; None of a single one), count."""

    mean: float
    deviation: float | None
    n: int


@dataclass(frozen=True)
class Group:
    """Runs that differ in seeds alone, with the parameters that they share."""

    runs: tuple[Run, ...]
    params: dict[str, Any]
    metrics: dict[str, Spread]


def grouped(runs: Sequence[Run], seeds: Sequence[str] = SEEDS) -> list[Group]:
    """Runs that have all parameters in common but the seeds, in the order of the first of each.

    A run that repeats another one's parameters, seeds and metrics to the last digit is none of its
    own: a branch and the working tree that is equal to it count once.

    Args:
        runs: Those to group.
        seeds: The names of seeds; `*` stands for anything.
    """
    names = {name for run in runs for name in run.params}
    of_seeds = {name for name in names if any(fnmatchcase(name, seed) for seed in seeds)}
    groups: dict[str, dict[str, Run]] = {}
    for run in runs:
        repeats = groups.setdefault(same(_shared(run, of_seeds)), {})
        repeats.setdefault(same([run.params, run.metrics]), run)
    return [_group([*repeats.values()], of_seeds) for repeats in groups.values()]


def spread(values: Sequence[float]) -> Spread:
    """Of one value or more; where one is not finite, the mean is not a number or not finite."""
    n = len(values)
    finite = all(map(math.isfinite, values))
    mean = (math.fsum(values) if finite else sum(values)) / n
    if n == 1:
        return Spread(mean, None, 1)
    return Spread(mean, math.hypot(*(value - mean for value in values)) / math.sqrt(n - 1), n)


def _group(runs: Sequence[Run], of_seeds: set[str]) -> Group:
    found = dict.fromkeys(name for run in runs for name in metrics.names(run.metrics))
    values = {name: [run.metrics[name] for run in runs if name in run.metrics] for name in found}
    spreads = {name: spread(each) for name, each in values.items()}
    return Group(tuple(runs), _shared(runs[0], of_seeds), spreads)


def _shared(run: Run, of_seeds: set[str]) -> dict[str, Any]:
    """The parameters that are no seeds."""
    return {name: value for name, value in run.params.items() if name not in of_seeds}
