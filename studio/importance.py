"""Which parameters matter: computed once, kept with the study."""

from __future__ import annotations

from typing import Any

from studio.errors import StudioError
from studio.study import Study
from studio.trials import complete

LEAST = 25
"""Complete trials below which importance is noise."""


def importance(study: Study) -> dict[str, Any]:
    """Shares by evaluator and parameter, with the number of complete trials they are from.

    An evaluator may leave out a parameter that not all trials have.

    Raises:
        StudioError: A sentence that says why there is nothing to show.
    """
    engine, count = study.engine(), len(complete(study.trials()))
    if "importance" not in engine.capabilities:
        raise StudioError(
            f"importance needs the engine optuna; study '{study.name}' uses {engine.name}"
        )
    if count < LEAST:
        raise StudioError(
            f"importance is shown from {LEAST} complete trials on; study '{study.name}' has {count}"
        )
    known = study.store.settings(study.name).get("importance")
    if not known or known["trials"] != count:
        known = {"trials": count, "shares": engine.importance()}
        study.store.note(study.name, "importance", known)
    return dict(known)


def noted(study: Study) -> dict[str, Any]:
    """The same as it was computed last, at once: a search computes it when its trials are done.

    Raises:
        StudioError: A sentence that says why there is nothing to show.
    """
    if known := study.store.settings(study.name).get("importance"):
        return dict(known)
    if len(complete(study.trials())) < LEAST or "importance" not in study.engine().capabilities:
        return importance(study)  # says why not
    raise StudioError("importance is computed when the search has made its trials")
