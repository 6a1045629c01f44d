"""Charts as Vega-Lite specs, each with its data as a table and a description in words.

    about = About("Precision at k", "Relevant items among the first k, over k.", "k", "precision")
    line_chart(about, x=[1, 10], ys={"i2t": [0.7, 0.6], "t2i": [0.8, 0.7]}).spec

Series differ in colour and in dash or shape. Text and axes take the colour of the text around
them; the colours of the series have a contrast of 3 or more to white and to near black.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Spec = dict[str, Any]
Value = str | float | None
Series = Mapping[str, Sequence[float | None]]

SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#9A4DFF")
DASHES = ((1, 0), (6, 3), (2, 2), (8, 3, 2, 3), (12, 4))
SHAPES = ("circle", "triangle-up", "square", "diamond", "cross")
OTHER, OTHER_COLOUR = "(other)", "#7D848C"

_INK = "currentColor"
_LINES = {"symbolType": "stroke", "symbolSize": 500, "symbolStrokeWidth": 2}
_LABELS = {"symbolType": "square", "columns": 2}
_MODALITIES = {"symbolFillColor": _INK, "symbolStrokeColor": _INK}
_AXIS_COLOURS = ("labelColor", "titleColor", "domainColor", "tickColor", "gridColor")
_CONFIG: Spec = {
    "background": "transparent",
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "mark": {"aria": False},
    "axis": {name: _INK for name in _AXIS_COLOURS}
    | {"gridOpacity": 0.15, "domainOpacity": 0.5, "tickOpacity": 0.5}
    | {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
    "axisX": {"labelFlush": False, "labelOverlap": "greedy", "labelSeparation": 12},
    "legend": {"labelColor": _INK, "labelFontSize": 12, "labelLimit": 120}
    | {"orient": "top", "layout": {"top": {"direction": "vertical", "anchor": "start"}}},
}


@dataclass(frozen=True)
class About:
    """Words of a chart: its title, one sentence on how to read it, the titles of both axes."""

    title: str
    text: str
    x: str
    y: str


@dataclass(frozen=True)
class Chart:
    """One chart.

    Attributes:
        about: Its words.
        spec: Vega-Lite v6, data included; its `description` tells the data in a sentence.
        columns: Names of the columns of the data.
        rows: The data, one value per column; None where there is none.
    """

    about: About
    spec: Spec
    columns: Sequence[str]
    rows: Sequence[Sequence[Value]]


@dataclass(frozen=True)
class Point:
    """A point of a map: its place, one of its labels or `OTHER`, its modality, what to call it."""

    x: float
    y: float
    label: str
    modality: str
    name: str


def line_chart(
    about: About, x: Sequence[float], ys: Series, log_x: bool = False, row_order: bool = False
) -> Chart:
    """Draw a line per series.

    Args:
        about: Its words.
        x: Positions, shared by the series.
        ys: Values of each series; None where it has no point, so that series with positions of
            their own can stand one below the other.
        log_x: Draw x by its logarithm.
        row_order: Join the points as they come, not by rising x.

    Raises:
        ValueError: Columns of different lengths or empty, a number that is not finite, an x
            without logarithm, no series or more than there are colours.
    """
    _check(about, x, ys)
    if log_x and min(x) <= 0:
        raise ValueError(f"chart '{about.title}': x is {min(x)}, which has no logarithm")
    place: Spec = {"scale": {"zero": False}}
    if log_x:
        place = {"scale": {"type": "log", "nice": False}, "axis": {"tickCount": 4}}
    encoding = _channels(about, ys) | {"x": _number("x", about.x, **place)}
    if row_order:
        encoding["order"] = {"field": "row", "type": "quantitative"}
    marks = {"mark": {"type": "line", "point": "transparent"}, "encoding": encoding}
    told = "; ".join(f"{name} {_ends(x, y)}" for name, y in ys.items())
    return _chart(about, f"Lines of {about.y} over {about.x}: {told}", x, ys, marks)


def histogram(about: About, x: Sequence[int], ys: Mapping[str, Sequence[float]]) -> Chart:
    """Draw distributions over whole numbers as steps, one over the other.

    Args:
        about: Its words.
        x: Rising whole numbers, such as the Hamming distances from 0 to c.
        ys: Height of each series at each x.

    Raises:
        ValueError: As `line_chart`.
    """
    _check(about, x, ys)
    area = {"type": "area", "interpolate": "step", "fillOpacity": 0.15}
    line = {"type": "line", "interpolate": "step", "point": "transparent"}
    encoding = _channels(about, ys) | {
        "x": _number("x", about.x, scale={"nice": False}),
        "y": _number("y", about.y, stack=None),
    }
    dash = {"strokeDash": encoding.pop("strokeDash")}  # areas have none
    marks = {"encoding": encoding, "layer": [{"mark": area}, {"mark": line, "encoding": dash}]}
    peaks = {name: x[max(range(len(x)), key=y.__getitem__)] for name, y in ys.items()}
    told = "; ".join(f"{name} is highest at {peak}" for name, peak in peaks.items())
    return _chart(about, f"Distributions over {about.x}: {told}", x, ys, marks)


def bit_chart(about: About, share: Sequence[float]) -> Chart:
    """Draw a bar per bit from 1/2, the ideal, to its share of +1.

    Args:
        about: Its words.
        share: (c,) from 0 to 1; bits are counted from 1.

    Raises:
        ValueError: As `line_chart`.
    """
    bits = range(1, 1 + len(share))
    _check(about, bits, {about.y: share})
    axis = {"labelAngle": 0, "ticks": False}
    bars = {
        "x": {"field": "x", "type": "ordinal", "title": about.x, "axis": axis},
        "y": _number("y", about.y, scale={"domain": [0, 1]}),
        "y2": {"datum": 0.5},
        "tooltip": _tooltip(x=about.x, y=about.y),
    }
    layer = [
        {"mark": {"type": "bar", "color": COLOURS[0]}, "encoding": bars},
        {"mark": {"type": "rule", "color": _INK}, "encoding": {"y": {"datum": 0.5}}},
    ]
    told = f"Bars of {about.y} by {about.x}: {min(share):.3g} to {max(share):.3g}"
    return _chart(about, told, bits, {about.y: share}, {"layer": layer})


def scatter(about: About, points: Sequence[Point]) -> Chart:
    """Draw points, coloured by label and shaped by modality.

    The most frequent labels have a colour each, the others together are grey.

    Raises:
        ValueError: No point, a place that is not finite, more modalities than there are shapes.
    """
    x, y = [p.x for p in points], [p.y for p in points]
    _check(about, x, {about.y: y})
    modalities = list(dict.fromkeys(p.modality for p in points))
    if len(modalities) > len(SHAPES):
        raise ValueError(f"chart '{about.title}': {len(modalities)} modalities are too many")
    counts = Counter(p.label for p in points if p.label != OTHER).most_common(len(COLOURS))
    colours = dict(zip(dict(counts), COLOURS, strict=False))
    rows = [vars(p) | {"colour": p.label if p.label in colours else OTHER} for p in points]
    if any(row["colour"] == OTHER for row in rows):
        colours[OTHER] = OTHER_COLOUR
    shapes = dict(zip(modalities, SHAPES, strict=False))
    encoding = {
        "x": _number("x", about.x, scale={"zero": False}),
        "y": _number("y", about.y, scale={"zero": False}),
        "color": _category("colour", colours, _LABELS),
        "shape": _category("modality", shapes, _MODALITIES),
        "tooltip": _tooltip(name="name", label="label", modality="modality"),
    }
    mark = {"type": "point", "filled": True, "size": 40, "opacity": 1}
    told = "Points: " + "; ".join(f"{count} of {label}" for label, count in counts)
    spec = _spec(about, told, rows, {"mark": mark, "encoding": encoding, "height": 400})
    table = [(p.name, p.label, p.modality, p.x, p.y) for p in points]
    return Chart(about, spec, ["name", "label", "modality", about.x, about.y], table)


def _check(about: About, x: Sequence[float], ys: Series) -> None:
    problem = ""
    if not 1 <= len(ys) <= len(COLOURS):
        problem = f"{len(ys)} series, not 1 to {len(COLOURS)}"
    for name, column in [(about.x, x), *ys.items()]:
        numbers = [value for value in column if value is not None]
        if len(column) != len(x) or not numbers:
            problem = f"{len(numbers)} numbers of '{name}' in {len(x)} rows"
        elif not all(map(math.isfinite, numbers)):
            problem = f"'{name}' holds a number that is not finite"
    if problem:
        raise ValueError(f"chart '{about.title}': {problem}")


def _chart(about: About, told: str, x: Sequence[float], ys: Series, marks: Spec) -> Chart:
    """A chart of columns: its data in long form for Vega-Lite, in wide form for the table."""
    long = [
        {"row": row, "x": place, "y": value, "series": name}
        for name, y in ys.items()
        for row, (place, value) in enumerate(zip(x, y, strict=True))
        if value is not None
    ]
    wide = list(zip(x, *ys.values(), strict=True))
    return Chart(about, _spec(about, told, long, marks), [about.x, *ys], wide)


def _spec(about: About, told: str, rows: list[Spec], marks: Spec) -> Spec:
    return {
        "$schema": SCHEMA,
        "description": f"{about.title}. {told}.",
        "width": "container",
        "height": 260,
        "data": {"values": rows},
        "config": _CONFIG,
    } | marks


def _channels(about: About, ys: Series) -> Spec:
    """What series have in common: height, colour, dash, tooltip; a legend if there are several."""
    legend = _LINES if len(ys) > 1 else None
    return {
        "y": _number("y", about.y, scale={"zero": False}),
        "color": _category("series", dict(zip(ys, COLOURS, strict=False)), legend),
        "strokeDash": _category("series", dict(zip(ys, DASHES, strict=False)), legend),
        "tooltip": _tooltip(series="series", x=about.x, y=about.y),
    }


def _number(field: str, title: str, **rest: Any) -> Spec:
    return {"field": field, "type": "quantitative", "title": title, **rest}


def _category(field: str, looks: Mapping[str, Any], legend: Spec | None) -> Spec:
    """A channel that gives each category its look, in this order."""
    scale = {"domain": list(looks), "range": list(looks.values())}
    return {"field": field, "type": "nominal", "title": None, "scale": scale, "legend": legend}


def _tooltip(**titles: str) -> list[Spec]:
    return [
        {"field": field, "title": title}
        | ({"type": "quantitative", "format": "~g"} if field in "xy" else {"type": "nominal"})
        for field, title in titles.items()
    ]


def _ends(x: Sequence[float], y: Sequence[float | None]) -> str:
    points = [(place, value) for place, value in zip(x, y, strict=True) if value is not None]
    (first, start), (last, end) = points[0], points[-1]
    return f"from {start:.3g} at {first:.3g} to {end:.3g} at {last:.3g}"
