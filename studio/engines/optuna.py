"""Optuna behind the engine's interface: TPE, pruners, importance.

Options whose defaults differ between versions of Optuna are given by name.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.importance import (
    BaseImportanceEvaluator,
    FanovaImportanceEvaluator,
    PedAnovaImportanceEvaluator,
    get_param_importances,
)
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, create_trial

from studio.engines.base import BaseSearchEngine
from studio.engines.optuna_pruning import STATES, Pruning
from studio.errors import StudioError
from studio.space import Param, Space, Values
from studio.trials import Direction, Trial

optuna.logging.set_verbosity(optuna.logging.WARNING)

STARTUP = 10
"""Trials drawn at random before any is modelled."""
LEAST_FOR_IMPORTANCE = 2


class OptunaEngine(BaseSearchEngine):
    """Tree-structured Parzen estimator over all parameters together (Bergstra et al. 2011).

    Every answer is made by a study in memory that holds what the engine was told.
    Option `pruner`: one of `studio.engines.optuna_pruning.PRUNERS`.

    Raises:
        StudioError: There is no such pruner, or several objectives, by which none can judge.
    """

    name = "optuna"
    capabilities = frozenset({"pruning", "importance", "several objectives"})

    def __init__(
        self,
        space: Space,
        directions: Sequence[Direction],
        seed: int = 0,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(space, directions, seed, options)
        pruner = self.options.get("pruner", "none")
        if pruner != "none" and len(self.directions) > 1:
            raise StudioError(f"the pruner {pruner} judges by one objective; there are several")
        self.pruning = Pruning(pruner, self.directions[0])

    def ask(self, number: int) -> Values:
        """Where good trials are denser than the others; at random for the first ones."""
        trial = self._study(self.seed_of(number)).ask()
        values: Values = {}
        for param in self.space:
            if param.fixed and param.active(values):
                values[param.name] = param.choices[0]
            elif param.active(values):
                values[param.name] = _suggest(trial, param)
        return values

    def should_prune(self, trial: Trial) -> bool:
        """By the pruner that was asked for."""
        if self.pruning.name == "none":
            return False
        for number, other in sorted(self.history.items()):
            if other.state != "running" and number != trial.number:
                self.pruning.end(other)
        return self.pruning.gives_up(trial)

    def importance(self) -> dict[str, dict[str, float]]:
        """Of the parameters that all trials have: over the space (fANOVA), at the top (PED-ANOVA).

        Raises:
            StudioError: A sentence that says why nothing can be said.
        """
        done = [trial for trial in self.history.values() if trial.state == "complete"]
        if len(done) < LEAST_FOR_IMPORTANCE:
            raise StudioError(f"importance needs several complete trials; there are {len(done)}")
        evaluators: dict[str, BaseImportanceEvaluator] = {
            "fanova": FanovaImportanceEvaluator(seed=self.seed),
            "ped_anova": PedAnovaImportanceEvaluator(),
        }
        try:
            return {name: self._shares(evaluator) for name, evaluator in evaluators.items()}
        except RuntimeError:  # no variance, or none that rounding leaves
            raise StudioError(
                f"all {len(done)} complete trials have the same score, {done[0].scores[0]:g}: no "
                "parameter makes a difference"
            ) from None

    def _shares(self, evaluator: BaseImportanceEvaluator) -> dict[str, float]:
        with warnings.catch_warnings():  # PED-ANOVA repeats that lower is better
            warnings.simplefilter("ignore", UserWarning)
            found = get_param_importances(
                self._study(self.seed), evaluator=evaluator, target=self._cost
            )
        return {name: round(float(share), 6) for name, share in found.items()}

    def _cost(self, trial: FrozenTrial) -> float:
        """The first objective, lower is better: what PED-ANOVA's "near the top" means."""
        return float(trial.values[0]) * (-1 if self.directions[0] == "maximize" else 1)

    def _study(self, seed: int) -> optuna.Study:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            sampler = TPESampler(
                seed=seed,
                n_startup_trials=STARTUP,
                multivariate=True,
                group=True,
                constant_liar=True,
            )
        study = optuna.create_study(sampler=sampler, directions=list(self.directions))
        study.add_trials([self._frozen(trial) for _, trial in sorted(self.history.items())])
        return study

    def _frozen(self, trial: Trial) -> FrozenTrial:
        searched = [
            self.space.params[name]
            for name, value in trial.values.items()
            if name in self.space.params
            and not self.space.params[name].fixed
            and self.space.params[name].holds(value)
        ]
        return create_trial(
            state=STATES[trial.state],
            params={param.name: trial.values[param.name] for param in searched},
            distributions={param.name: distribution(param) for param in searched},
            values=list(trial.scores) if trial.state == "complete" else None,
            intermediate_values=dict(trial.reports),
        )


def _suggest(trial: optuna.Trial, param: Param) -> bool | int | float | str | None:
    if param.choices:
        return trial.suggest_categorical(param.name, param.choices)
    low, high = param.low, param.high
    assert low is not None and high is not None
    if param.whole:
        step = int(param.step or 1)
        return trial.suggest_int(param.name, int(low), int(high), log=param.log, step=step)
    return trial.suggest_float(param.name, low, high, log=param.log, step=param.step)


def distribution(param: Param) -> BaseDistribution:
    if param.choices:
        return CategoricalDistribution(param.choices)
    low, high = param.low, param.high
    assert low is not None and high is not None
    if param.whole:
        return IntDistribution(int(low), int(high), log=param.log, step=int(param.step or 1))
    return FloatDistribution(low, high, log=param.log, step=param.step)
