"""Charts of a study as Vega-Lite specs, each with its data and a description in words.

Kinds of points differ in shape and in colour, with a contrast of 3 or more to white and near black.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from studio.errors import StudioError
from studio.trials import Direction, Trial, best, complete

Spec = dict[str, Any]
SCHEMA, VERSION = "https://vega.github.io/schema/vega-lite/v6.json", "6.4"
COMPLETE, PRUNED, SO_FAR = "complete", "pruned, last report", "best so far"
FRONT = "complete, beaten by none"
LOOKS = {
    COMPLETE: ("#0072B2", "circle"),
    PRUNED: ("#7D848C", "triangle-down"),
    SO_FAR: ("#D55E00", "stroke"),
    FRONT: ("#D55E00", "diamond"),
}
BETTER = {"maximize": "higher is better", "minimize": "lower is better"}
_POINT = {"type": "point", "filled": True, "opacity": 1, "size": 60}
_LINE = {"type": "line", "interpolate": "step-after", "strokeWidth": 2}
_CONFIG = {
    "background": "white",
    "view": {"stroke": None, "continuousWidth": 640, "continuousHeight": 320},
    "mark": {"aria": False, "tooltip": {"content": "data"}},
    "axis": {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": "normal"},
    "axisY": {"titleAngle": 0, "titleAlign": "left", "titleBaseline": "bottom"}
    | {"titleX": 0, "titleY": -8},
    "legend": {"orient": "bottom", "labelFontSize": 12, "labelLimit": 0, "columnPadding": 24},
    "title": {"anchor": "start", "fontSize": 14, "subtitleFontSize": 12, "offset": 16},
}


def history(study_name: str, trials: Sequence[Trial], objective: str, direction: Direction) -> Spec:
    """The score of each trial by its number, and the best one so far as steps.

    Args:
        study_name, trials: Of one study: all its trials, by number.
        objective, direction: As it is written down, the title of its axis; which way is better.

    Returns:
        A spec whose description counts the trials that are not drawn, too.

    Raises:
        StudioError: There is nothing to draw yet.
    """
    points = list(_scored(trials))
    done = [row for row in points if row["kind"] == COMPLETE]
    tops = accumulate((row["score"] for row in done), max if direction == "maximize" else min)
    steps = [row | {"score": top, "kind": SO_FAR} for row, top in zip(done, tops)]
    steps += [row | {"trial": points[-1]["trial"]} for row in steps[-1:]]  # to the last point
    told = BETTER[direction] + (f"; the best is {steps[-1]['score']:.4g}" if steps else "")
    place = {"x": _axis("trial", "trial", tickMinStep=1), "y": _axis("score", objective)}
    looks = _looks([*points, *steps])
    line = {"mark": _LINE, "data": {"values": steps}, "encoding": {"color": looks["color"]}}
    marks = {"encoding": place, "layer": [line, {"mark": _POINT, "encoding": looks}]}
    return _spec(study_name, f"{objective} of each trial", told, trials, points) | marks


def pareto(
    study_name: str,
    trials: Sequence[Trial],
    objectives: Sequence[str],
    directions: Sequence[Direction],
) -> Spec:
    """The complete trials by their first two scores; those that no other one beats stand out.

    Args:
        study_name, trials: Of one study: all its trials, by number.
        objectives, directions: Two or more; all of them decide which trial is beaten.

    Returns:
        A spec whose description counts the trials that are not drawn, too.

    Raises:
        StudioError: There is nothing to draw yet.
    """
    front = [trial.number for trial in best(trials, directions)]
    points: list[Spec] = [
        {"trial": trial.number, "first": trial.scores[0], "second": trial.scores[1]}
        | {"kind": FRONT if trial.number in front else COMPLETE}
        for trial in complete(trials)
    ]
    told = ", ".join(f"{axis}: {BETTER[way]}" for axis, way in zip("xy", directions))
    told += f"; all {len(directions)} objectives decide" if directions[2:] else ""
    what = f"{objectives[1]} over {objectives[0]}, {len(front)} beaten by none"
    place = {"x": _axis("first", objectives[0]), "y": _axis("second", objectives[1])}
    marks = {"encoding": place | _looks(points), "mark": _POINT}
    return _spec(study_name, what, told, trials, points) | marks


def svg(spec: Spec) -> str:
    """A spec as a file of its own, which tells screen readers what it shows.

    Returns:
        The same text for the same spec.
    """
    import vl_convert  # takes its time

    drawn = vl_convert.vegalite_to_svg(spec, vl_version=VERSION)
    head, rest = drawn.split(">", 1)
    label, title = quoteattr(spec["description"]), escape(spec["title"]["text"])
    return f'{head} role="img" aria-label={label}><title>{title}</title>{rest}'


def _scored(trials: Sequence[Trial]) -> Iterator[Spec]:
    """Rows of the trials that are complete, or that were pruned after a report."""
    for trial in trials:
        last = trial.reports[max(trial.reports)] if trial.reports else math.nan
        if trial.state == "complete":
            yield {"trial": trial.number, "score": trial.scores[0], "kind": COMPLETE}
        elif trial.state == "pruned" and math.isfinite(last):
            yield {"trial": trial.number, "score": last, "kind": PRUNED}


def _spec(name: str, what: str, told: str, trials: Sequence[Trial], points: list[Spec]) -> Spec:
    if not points:
        raise StudioError(f"study '{name}' has no complete trial yet; there is nothing to draw")
    counts = [f"{n} {state}" for state, n in Counter(t.state for t in trials).most_common()]
    found = f"Trials: {', '.join(counts)}; {len(trials) - len(points)} of them not drawn"
    return {
        "$schema": SCHEMA,
        "title": {"text": f"Study {name}", "subtitle": told},
        "description": f"Study {name}: {what}; {told}. {found}.",
        "data": {"values": points},
        "config": _CONFIG,
    }


def _axis(field: str, title: str, **axis: Any) -> Spec:
    scale = {"zero": False, "nice": False, "padding": 16}
    axis |= {"format": ",~r", "tickCount": 8, "labelFlush": False}
    return {"field": field, "type": "quantitative", "title": title, "scale": scale, "axis": axis}


def _looks(rows: list[Spec]) -> Spec:
    """Colour and shape, with a legend of the kinds that there are."""
    kinds = [kind for kind in LOOKS if any(row["kind"] == kind for row in rows)]
    scales = ({"domain": kinds, "range": [LOOKS[k][place] for k in kinds]} for place in (0, 1))
    channel = {"field": "kind", "type": "nominal", "title": None}
    return {name: channel | {"scale": scale} for name, scale in zip(("color", "shape"), scales)}
