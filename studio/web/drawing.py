"""Charts of the pages as Vega-Lite specs, which the browser draws, and as files to keep."""

from __future__ import annotations

import json
import math
import mimetypes
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from studio.charts import SCHEMA, VERSION, history, pareto, svg
from studio.errors import NotFound, StudioError
from studio.runs.curves import Curve
from studio.space import Param
from studio.study import Study
from studio.trials import Trial, complete

Spec = dict[str, Any]
COLOURS = ("#2f80c7", "#c4581a", "#1b9672", "#b75d92", "#8a63d2", "#8a7a10", "#6f7680")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4))
_AXIS = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
_TYPES = {form: mimetypes.guess_type(f"chart.{form}")[0] for form in ("svg", "png")}
_UNSEEN = {"filled": True, "size": 60, "fillOpacity": 0, "strokeOpacity": 0}
"""Points for the mouse to hit."""
_CONFIG = {
    "background": "white",
    "view": {"stroke": None},
    "axis": _AXIS,
    "legend": {"orient": "bottom", "labelLimit": 0, "columns": 2, "labelFontSize": 12},
    "title": {"anchor": "start", "fontSize": 14, "subtitleFontSize": 12},
}


def drawn(spec: Spec, form: str) -> Response:
    """A chart as its spec, or as a file.

    Raises:
        NotFound: There is no such form.
    """
    if form == "json":
        return JSONResponse(spec)
    if form == "svg":
        return Response(_file(svg, json.dumps(spec)), media_type=_TYPES["svg"])
    if form == "png":
        return Response(_file(_png, json.dumps(spec)), media_type=_TYPES["png"])
    raise NotFound(f"no form '{form}' of a chart; known: json, svg, png")


def vega() -> bytes:
    """The script that draws specs in a browser, from the package that draws the files.

    Made by a program of its own: it takes seconds in which no other thread could run.
    """
    program = f"import vl_convert; print(vl_convert.javascript_bundle(vl_version='{VERSION}'))"
    return subprocess.run([sys.executable, "-P", "-c", program], stdout=subprocess.PIPE, check=True).stdout


def curve_chart(of: Mapping[str, Curve]) -> Spec:
    """One curve of several runs, by their names; a click on the legend leaves one run alone.

    Colour is the run. With a few runs the dash is the series; with many the dash tells runs of one
    colour apart, and each series has a chart of its own.
    """
    curve = next(iter(of.values()))
    rows = [
        {"x": x, "y": y, "run": run, "series": series}
        for run, found in of.items()
        for series, points in found.series.items()
        for x, y in points
    ]
    runs, series = list(of), list(
        dict.fromkeys(name for each in of.values() for name in each.series)
    )
    many = len(runs) > len(COLOURS)
    dashed, dashes = ("run", [n // len(COLOURS) for n in range(len(runs))]) if many else ("", [])
    if not many and len(series) > 1:
        dashed, dashes = "series", list(range(len(series)))
    lone = {"param": "one", "value": 1}
    encoding = {
        "x": _axis("x", curve.x_label),
        "y": _axis("y", curve.y_label),
        "color": _scaled("run", runs, [COLOURS[n % len(COLOURS)] for n in range(len(runs))]),
        "opacity": {"condition": lone, "value": 0.15},
        "tooltip": [
            {"field": "run"},
            {"field": "series"},
            {"field": "x", "title": curve.x_label},
            {"field": "y", "title": curve.y_label},
        ],
    }
    if dashed:
        names = runs if dashed == "run" else series
        encoding["strokeDash"] = _scaled(
            dashed, names, [DASHES[n % len(DASHES)] for n in dashes], dashed == "series"
        )
    size = {"width": 420, "height": 240}
    if many and len(series) > 1:
        size = {"width": 220, "height": 130}
        encoding["facet"] = {"field": "series", "type": "nominal", "title": None} | {
            "columns": 2,
            "sort": series,
        }
    return {
        "$schema": SCHEMA,
        "title": {"text": curve.title},
        "description": f"{curve.title}: {curve.y_label} over {curve.x_label} of {', '.join(runs)}.",
        **size,
        "data": {"values": rows},
        "params": [
            {"name": "one", "select": {"type": "point", "fields": ["run"]}, "bind": "legend"}
        ],
        "mark": {"type": "line", "strokeWidth": 2, "point": _UNSEEN},
        "encoding": encoding,
        "config": _CONFIG,
    }


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
            | {"scale": {"scheme": "viridis"}},
            "tooltip": [{"field": name} for name in ("trial", "param", "value", "score")],
        },
        "config": _CONFIG | {"legend": {"orient": "bottom", "titleLimit": 0}},
    }


def _share(param: Param, value: Any) -> float:
    """Where in its range a value lies, from 0 to 1; the middle of a range that is a point."""
    low, high, at = float(param.low or 0), float(param.high or 0), float(value)
    if param.log:
        low, high, at = math.log(low), math.log(high), math.log(at)
    return (at - low) / (high - low) if high > low else 0.5


def _axis(field: str, title: str) -> Spec:
    scale = {"zero": False, "nice": False} if field == "x" else {"zero": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def _scaled(field: str, names: Sequence[str], looks: Sequence[Any], legend: bool = True) -> Spec:
    channel: Spec = {"field": field, "type": "nominal", "title": None}
    channel |= {"scale": {"domain": list(names), "range": [*looks]}}
    return channel if legend else channel | {"legend": None}


@lru_cache(256)
def _file(write: Callable[[Spec], str | bytes], spec: str) -> str | bytes:
    try:
        return write(json.loads(spec))
    except ValueError as error:
        raise StudioError(f"cannot draw the chart: {error}") from None


def _png(spec: Spec) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(spec, vl_version=VERSION, scale=2))
