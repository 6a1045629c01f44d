"""Optuna's pruners, shown the trials of a study as they report."""

from __future__ import annotations

from collections.abc import Callable

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.pruners import SuccessiveHalvingPruner
from optuna.samplers import RandomSampler
from optuna.trial import TrialState

from studio.errors import StudioError
from studio.trials import Direction, Trial

STATES = {
    "running": TrialState.RUNNING,
    "complete": TrialState.COMPLETE,
    "pruned": TrialState.PRUNED,
    "failed": TrialState.FAIL,
    "cancelled": TrialState.FAIL,
}
WARMUP = 5
"""Steps before which no trial is given up."""
PRUNERS: dict[str, Callable[[], BasePruner]] = {
    "none": NopPruner,
    "median": lambda: MedianPruner(n_startup_trials=5, n_warmup_steps=WARMUP),
    "hyperband": lambda: HyperbandPruner(WARMUP, max_resource="auto", reduction_factor=3),
    "asha": lambda: SuccessiveHalvingPruner(WARMUP, reduction_factor=3),
}


class Pruning:
    """A pruner, and a study in memory that shows it each report once.

    Successive halving notes with a trial which of its rungs that has passed, and Hyperband chooses
    a trial's bracket by its number, and by the study's name.

    Args:
        name: One of `PRUNERS`.

    Raises:
        StudioError: There is no such pruner.
    """

    def __init__(self, name: str, direction: Direction) -> None:
        if name not in PRUNERS:
            raise StudioError(f"no pruner '{name}'; known: {', '.join(PRUNERS)}")
        self.name = name
        self.study = optuna.create_study(
            study_name="study", sampler=RandomSampler(), pruner=PRUNERS[name](), direction=direction
        )
        self.shown: list[tuple[optuna.Trial, set[int]]] = []
        self.ended: set[int] = set()

    def gives_up(self, trial: Trial) -> bool:
        """Show what a running trial has reported since; whether that is not good enough."""
        while len(self.shown) <= trial.number:
            self.shown.append((self.study.ask(), set()))
        live, steps = self.shown[trial.number]
        verdicts = []
        for step in sorted(trial.reports.keys() - steps):
            steps.add(step)
            live.report(trial.reports[step], step)
            verdicts.append(live.should_prune())
        return any(verdicts)

    def end(self, trial: Trial) -> None:
        """Show how a trial has ended, once."""
        if trial.number not in self.ended:
            self.gives_up(trial)
            scores = list(trial.scores) if trial.state == "complete" else None
            self.study.tell(trial.number, scores, STATES[trial.state])
            self.ended.add(trial.number)
