"""Metrics by their names: which way is better, which value is best, what is a margin of what."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from studio.trials import Direction

LOWER = frozenset(
    "bytes cer cost divergence duration err fid latency mae mape memory ms mse perplexity regret "
    "rmse sec second seconds size time wer".split()
)
"""Words in a metric's name that say less is better; so do those with the ends of `ENDS`."""
ENDS = ("loss", "losses", "error", "errors")
MARGIN = ".margin."


def direction(name: str, given: Mapping[str, Direction]) -> Direction:
    """Which way a metric is better: as it is given, else by the words of its key."""
    if name in given:
        return given[name]
    return by_words(name.rpartition(":")[2])


def by_words(text: str) -> Direction:
    """Which way a number is better, by what it is called; of a rate what counts is before `per`."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", text).lower())
    words = words[: words.index("per")] if "per" in words else words
    lower = any(word in LOWER or word.endswith(ENDS) for word in words)
    return "minimize" if lower else "maximize"


def best(values: Sequence[float | None], direction: Direction) -> frozenset[int]:
    """The places of the best value, all of them at a tie; None and NaN are never best."""
    numbers = [value for value in values if value is not None and not math.isnan(value)]
    if not numbers:
        return frozenset()
    top = max(numbers) if direction == "maximize" else min(numbers)
    return frozenset(place for place, value in enumerate(values) if value == top)


def margins(metrics: Mapping[str, float]) -> dict[str, float]:
    """Half widths of intervals by metric: `FILE:a.margin.m` is that of `FILE:a.m`."""
    pairs = ((_of_margin(name) or "", value) for name, value in metrics.items())
    return {name: value for name, value in pairs if name in metrics}


def names(metrics: Mapping[str, float]) -> list[str]:
    """Of those that are no margins of others."""
    return [name for name in metrics if _of_margin(name) not in metrics]


def _of_margin(name: str) -> str | None:
    """The metric that this one would be the margin of."""
    file, colon, key = name.rpartition(":")
    before, found, after = f".{key}".rpartition(MARGIN)
    return f"{file}{colon}{f'{before}.{after}'[1:]}" if found else None
