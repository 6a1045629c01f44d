"""Charts of a study, as Vega-Lite specs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from studio.charts import SCHEMA, history, pareto
from studio.space import Param
from studio.study import Study
from studio.trials import Trial, complete
from studio.web.drawing import CONFIG, Spec


def study_charts(study: Study, trials: Sequence[Trial]) -> dict[str, Callable[[], Spec]]:
    """What can be drawn of a study by now, by name."""
    objectives, done = study.settings.objectives, complete(trials)
    if not done:
        return {}
    if len(objectives) == 1:
        way = study.directions[0]
        found = {"history": lambda: history(study.name, trials, objectives[0], way)}
    else:
        found = {"pareto": lambda: pareto(study.name, trials, objectives, study.directions)}
    if len(done) > 1 and len(ranges(study)) > 1:
        found["parallel"] = lambda: parallel(study, done)
    return found


def ranges(study: Study) -> list[Param]:
    """The searched numbers, whatever the others are."""
    return [param for param in study.space if param.low is not None and not param.when]


def parallel(study: Study, done: Sequence[Trial]) -> Spec:
    """Parallel coordinates: a line for each complete trial, over the searched ranges."""
    params = ranges(study)
    rows = [
        {"trial": t.number, "score": t.scores[0], "param": p.name, "value": t.values[p.name]}
        | {"share": _share(p, t.values[p.name])}
        for t in done
        for p in params
        if p.name in t.values
    ]
    names, objective = [param.name for param in params], study.settings.objectives[0]
    y = {"field": "share", "type": "quantitative", "title": "share of the range"}
    x = {"field": "param", "type": "nominal", "sort": names, "title": None}
    return {
        "$schema": SCHEMA,
        "title": {"text": "Parameters side by side", "subtitle": "each over its range"},
        "description": f"Values of {', '.join(names)} in {len(done)} complete trials, each line a "
        f"trial in the colour of its {objective}.",
        "width": 560,
        "height": 280,
        "data": {"values": rows},
        "mark": {"type": "line", "point": {"size": 50}, "opacity": 0.8},
        "encoding": {
            "x": x | {"axis": {"labelAngle": -40, "labelLimit": 260}},
            "y": y | {"scale": {"domain": [0, 1]}, "axis": {"format": "%"}},
            "detail": {"field": "trial"},
            "color": {"field": "score", "type": "quantitative", "title": objective}
            | {"scale": {"scheme": {"name": "plasma", "extent": [0.15, 0.8]}}},
            "tooltip": [{"field": name} for name in ("trial", "param", "value", "score")],
        },
        "config": CONFIG | {"legend": {"orient": "bottom", "titleLimit": 0}},
    }


def _share(param: Param, value: Any) -> float:
    """Where in its range a value lies, from 0 to 1; the middle of a range that is a point."""
    low, high, at = float(param.low or 0), float(param.high or 0), float(value)
    if param.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low) if high > low else 0.5
