"""A study's trials for other programs: as CSV, and as a chart in a file."""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import TextIO

from studio.charts import history, pareto, svg
from studio.errors import StudioError
from studio.study import Study


def write_csv(study: Study, file: TextIO) -> None:
    """A row for each trial: number, state, a score for each objective, the parameters."""
    names = [param.name for param in study.space]
    writer = csv.writer(file)
    writer.writerow(["number", "state", *study.settings.objectives, *names])
    for trial in study.trials():
        scores = trial.scores or [""] * len(study.objectives)
        values = [trial.values.get(name, "") for name in names]
        writer.writerow([trial.number, trial.state, *scores, *values])


def write_chart(study: Study, path: Path) -> None:
    """The objective of each trial with the best so far, or two objectives against each other.

    Raises:
        StudioError: There is nothing to draw yet, or the file cannot be written.
    """
    objectives, trials = study.settings.objectives, study.trials()
    if len(objectives) == 1:
        spec = history(study.name, trials, objectives[0], study.directions[0])
    else:
        spec = pareto(study.name, trials, objectives, study.directions)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    drawn = svg(spec)
    try:
        draft.write_text(drawn, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise StudioError(f"cannot write {path}: {error.strerror}") from None
