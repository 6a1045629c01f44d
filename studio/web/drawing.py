"""Charts of the pages: Vega-Lite specs as SVG inside the page, in the colours of the text."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from markupsafe import Markup

from studio.charts import history, pareto, svg
from studio.errors import StudioError
from studio.runs.curves import Curve
from studio.space import Param
from studio.study import Study
from studio.trials import Trial, complete

Spec = dict[str, Any]
COLOURS = ("#2f80c7", "#c4581a", "#1b9672", "#b75d92", "#8a63d2", "#8a7a10", "#6f7680")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4))
_INK = "currentColor"
_AXIS = {f"{part}Color": _INK for part in ("label", "title", "domain", "tick", "grid")}
_THEME = {
    "background": "transparent",
    "axis": _AXIS | {"gridOpacity": 0.15, "domainOpacity": 0.5, "tickOpacity": 0.5},
    "legend": {"labelColor": _INK, "titleColor": _INK, "orient": "bottom", "labelLimit": 0},
    "title": {"color": _INK, "subtitleColor": _INK, "anchor": "start"},
    "view": {"stroke": None},
}


def inline(spec: Spec) -> Markup:
    """A chart for the inside of a page."""
    config = dict(spec.get("config", {}))
    for part, values in _THEME.items():
        old = config.get(part)
        config[part] = (
            old | values if isinstance(old, dict) and isinstance(values, dict) else values
        )
    return _drawn(json.dumps({**spec, "config": config}, sort_keys=True))


@lru_cache(256)
def _drawn(spec: str) -> Markup:
    return Markup(svg(json.loads(spec)))


def study_charts(study: Study, trials: Sequence[Trial]) -> list[Markup]:
    """The objective by trial or the Pareto front, and the parameters side by side."""
    objectives = study.settings.objectives
    try:
        if len(objectives) == 1:
            first = history(study.name, trials, objectives[0], study.directions[0])
        else:
            first = pareto(study.name, trials, objectives, study.directions)
    except StudioError:  # nothing to draw yet
        return []
    return [inline(first), *parallel(study, trials)]


def parallel(study: Study, trials: Sequence[Trial]) -> list[Markup]:
    """Parallel coordinates: a line for each complete trial, over the searched ranges."""
    params = [param for param in study.space if param.low is not None and not param.when]
    done = complete(trials)
    if len(done) < 2 or len(params) < 2:
        return []
    rows = [
        {"trial": t.number, "score": t.scores[0], "param": p.name, "value": t.values[p.name]}
        | {"share": _share(p, t.values[p.name])}
        for t in done
        for p in params
        if p.name in t.values
    ]
    names = [param.name for param in params]
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {
            "text": "Parameters side by side",
            "subtitle": "each over its range",
        },
        "description": f"Values of {len(names)} parameters in {len(done)} complete trials.",
        "width": 640,
        "height": 280,
        "data": {"values": rows},
        "mark": {"type": "line", "point": True, "opacity": 0.7},
        "encoding": {
            "x": {"field": "param", "type": "nominal", "sort": names, "title": None}
            | {"axis": {"labelAngle": -40, "labelLimit": 260}},
            "y": {"field": "share", "type": "quantitative", "scale": {"domain": [0, 1]}}
            | {"axis": {"title": "share of the range", "format": "%"}},
            "detail": {"field": "trial"},
            "color": {"field": "score", "type": "quantitative", "title": study.objectives[0].file}
            | {"scale": {"scheme": "viridis"}, "legend": {"title": "score"}},
        },
    }
    return [inline(spec)]


def _share(param: Param, value: Any) -> float:
    """Where in its range a value lies, from 0 to 1."""
    low, high, at = float(param.low or 0), float(param.high or 1), float(value)
    if param.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low)


def curve_chart(curve: Curve, of: dict[str, Curve]) -> Markup:
    """One curve of several runs: colour is the run, dash is the series."""
    rows = [
        {"x": x, "y": y, "run": run, "series": series}
        for run, found in of.items()
        for series, points in found.series.items()
        for x, y in points
    ]
    runs, series = list(of), sorted({str(row["series"]) for row in rows})
    spec = {
        "$schema": "https://vega.github.io/schema/vega-lite/v6.json",
        "title": {"text": curve.title},
        "description": f"{curve.title}: {curve.y_label} over {curve.x_label} of {', '.join(runs)}.",
        "width": 420,
        "height": 240,
        "data": {"values": rows},
        "mark": {"type": "line", "strokeWidth": 2},
        "encoding": {
            "x": {"field": "x", "type": "quantitative", "title": curve.x_label}
            | {"scale": {"zero": False, "nice": False}},
            "y": {"field": "y", "type": "quantitative", "title": curve.y_label}
            | {"scale": {"zero": False}},
            "color": {"field": "run", "type": "nominal", "title": None}
            | {"scale": {"domain": runs, "range": [COLOURS[i % 7] for i in range(len(runs))]}},
            "strokeDash": {"field": "series", "type": "nominal", "title": None}
            | {"scale": {"domain": series, "range": [DASHES[i % 5] for i in range(len(series))]}},
        },
    }
    return inline(spec)
