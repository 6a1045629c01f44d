"""What a study does and how it stands, in words for people."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from studio.space import parse
from studio.study import Settings
from studio.trials import Trial


def in_words(settings: Settings) -> Iterator[str]:
    """What a study does."""
    limit = f", no new one after {settings.timeout:g} s" if settings.timeout else ""
    yield f"{settings.n_trials} trials by {settings.runner}, {settings.jobs} at a time{limit}"
    pruner = settings.options.get("pruner", "none")
    yield engine_note(
        settings
    ) or f"engine {settings.engine}, pruner {pruner}, seed {settings.seed}"
    yield from (f"objective {objective}" for objective in settings.objectives)
    made = {"search_epochs": settings.search_epochs, "subset_ratio": settings.subset_ratio}
    if cheaper := [f"{what} {value}" for what, value in made.items() if value is not None]:
        yield f"cheaper by {', '.join(cheaper)}; not when promoted"
    if settings.start is None:
        yield "the project's own values lie outside the space: no trial tries them"
    else:
        yield "the first trial tries the project's own values"
    for param in parse(settings.space):
        yield f"  {param.name}: {json.dumps(param.described(), ensure_ascii=False)}"


def engine_note(settings: Settings) -> str:
    """What must be said where another engine is used than the one asked for."""
    if settings.engine == settings.engine_used:
        return ""
    unpruned = ", nothing is pruned" if settings.options.get("pruner", "none") != "none" else ""
    return f"{settings.engine_used} search; {settings.engine} is not installed{unpruned}"


def warnings(settings: Settings, head: str | None) -> Iterator[str]:
    """What people must know before the trials of a study run, from the commit `head`."""
    if note := engine_note(settings):
        yield note
    if head != settings.baseline:
        yield (
            f"created at commit {str(settings.baseline)[:7]}, now at {str(head)[:7]}: compare the "
            "trials only if nothing between them changes scores"
        )


def progress(trial: Trial) -> str:
    """How far a running trial has come."""
    step = max(trial.reports)
    return f"trial {trial.number}: step {step}, {trial.reports[step]:.4f}"


def stand_in_a_line(found: dict[str, Any]) -> str:
    """How a study stands."""
    states = ", ".join(f"{count} {state}" for state, count in found["states"].items() if count)
    best = ", ".join(f"{numbers(each['scores'])} (trial {each['trial']})" for each in found["best"])
    line = f"{found['name']}: {sum(found['states'].values())} of {found['n_trials']} trials"
    return line + (f": {states}" if states else "") + (f"; best {best}" if best else "")


def in_a_line(trial: Trial) -> str:
    """How a trial ended."""
    what = numbers(trial.scores) if trial.scores else trial.state
    tail = str(trial.notes.get("tail", "")).strip().splitlines()
    return f"trial {trial.number}: {what}{f' ({tail[-1]})' if tail else ''}"


def numbers(scores: Sequence[float]) -> str:
    """Scores as people read them."""
    return ", ".join(f"{score:.4f}" for score in scores)
