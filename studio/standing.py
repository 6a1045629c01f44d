"""How a study stands, for people and programs alike."""

from __future__ import annotations

from typing import Any

from studio.study import Study
from studio.trials import best


def stand(study: Study) -> dict[str, Any]:
    """Counts by state, and the best scores."""
    trials = study.trials()
    states = {state: 0 for state in ("complete", "pruned", "failed", "cancelled", "running")}
    for trial in trials:
        states[trial.state] += 1
    return {
        "name": study.name,
        "n_trials": study.settings.n_trials,
        "states": states,
        "engine": study.settings.engine,
        "engine_used": study.settings.engine_used,
        "best": [
            {"trial": trial.number, "scores": trial.scores}
            for trial in best(trials, study.directions)
        ],
        "promoted": study.notes.get("promoted"),
    }
