"""Charts of the pages as Vega-Lite specs, which the browser draws, and as files to keep."""

from __future__ import annotations

import json
import mimetypes
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from fastapi import Response
from fastapi.responses import JSONResponse

from studio.charts import SCHEMA, VERSION, svg
from studio.errors import NotFound, StudioError
from studio.runs.curves import Curve

Spec = dict[str, Any]
COLOURS = ("#2f80c7", "#c4581a", "#1b9672", "#b75d92", "#8a63d2", "#8a7a10", "#6f7680")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4))
_AXIS = {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"}
_TYPES = {form: mimetypes.guess_type(f"chart.{form}")[0] for form in ("svg", "png")}
_UNSEEN = {"filled": True, "size": 60, "fillOpacity": 0, "strokeOpacity": 0}
"""Points for the mouse to hit."""
CONFIG = {
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
    return subprocess.run(
        [sys.executable, "-P", "-c", program], capture_output=True, check=True
    ).stdout


def curve_chart(of: Mapping[str, Curve], among: Sequence[str]) -> Spec:
    """One curve of several runs, by their names; a click on the legend leaves one run alone.

    Colour is the run. With a few runs the dash is the series; with many the dash tells runs of one
    colour apart. Where the dashes do not suffice each series has a chart of its own.

    Args:
        of: The curve by the labels of the runs that have it.
        among: The labels of all runs beside each other: each has one colour in all charts.
    """
    curve = next(iter(of.values()))
    rows = [
        {"x": x, "y": y, "run": run, "series": series}
        for run, found in of.items()
        for series, points in found.series.items()
        for x, y in points
    ]
    series = list(dict.fromkeys(name for each in of.values() for name in each.series))
    places = {run: place for place, run in enumerate(among) if run in of}
    runs, many = list(places), len(among) > len(COLOURS)
    apart = len(series) > (1 if many else len(DASHES))
    dashed, dashes = "", [0]
    if many:
        dashed, dashes = "run", [place // len(COLOURS) for place in places.values()]
    elif len(series) > 1 and not apart:
        dashed, dashes = "series", list(range(len(series)))
    lone = {"param": "one", "value": 1}
    encoding = {
        "x": _axis("x", curve.x_label),
        "y": _axis("y", curve.y_label),
        "color": _scaled("run", runs, [COLOURS[n % len(COLOURS)] for n in places.values()]),
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
        encoding["strokeDash"] = _scaled(dashed, names, [DASHES[n % len(DASHES)] for n in dashes])
    size = {"width": 420, "height": 240}
    if apart:
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
        "config": CONFIG,
    }


def _axis(field: str, title: str) -> Spec:
    scale = {"zero": False, "nice": False} if field == "x" else {"zero": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale}


def _scaled(field: str, names: Sequence[str], looks: Sequence[Any]) -> Spec:
    scale = {"domain": list(names), "range": [*looks]}
    legend = {"symbolType": "stroke", "symbolSize": 300, "symbolStrokeWidth": 2}
    named = {"field": field, "type": "nominal", "title": None}
    return named | {"scale": scale, "legend": legend}


@lru_cache(256)
def _file(write: Callable[[Spec], str | bytes], spec: str) -> str | bytes:
    try:
        return write(json.loads(spec))
    except ValueError as error:
        raise StudioError(f"cannot draw the chart: {error}") from None


def _png(spec: Spec) -> bytes:
    import vl_convert

    return bytes(vl_convert.vegalite_to_png(spec, vl_version=VERSION, scale=2))
