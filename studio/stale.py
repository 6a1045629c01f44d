"""Trials that a search has left running because it was killed."""

from __future__ import annotations

import socket
import time

from studio.process import kill_left
from studio.runners import Runner
from studio.store import alive
from studio.study import Study
from studio.trials import Trial

GRACE = 1.0
"""Seconds within which a trial that has begun has an owner."""


def fail_stale(study: Study, runner: Runner) -> list[int]:
    """Mark as failed what a search that is gone has left running, and end its processes.

    Returns:
        The numbers of these trials.
    """
    stale = _stale(study)
    if any("owner" not in trial.notes for trial in stale):  # or begun by another this moment
        time.sleep(GRACE)
        stale = _stale(study)
    for trial in stale:
        process = trial.notes.get("process")
        if process and trial.notes["owner"]["host"] == socket.gethostname():
            kill_left(process)
        runner.discard(study.experiment(trial.number))
        tail = "the search was killed while this trial ran"
        study.store.finish(study.name, trial.number, "failed", (), {"tail": tail})
    return [trial.number for trial in stale]


def _stale(study: Study) -> list[Trial]:
    return [t for t in study.trials() if t.state == "running" and not alive(t.notes.get("owner"))]
