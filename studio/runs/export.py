"""The list of runs for other programs: CSV, Markdown, LaTeX; the points of curves as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from studio.runs.curves import Curve
from studio.runs.groups import Group
from studio.runs.model import Run
from studio.runs.values import shown

COLUMNS = ("name", "kind", "created", "state")
MARKDOWN = str.maketrans(
    {sign: f"\\{sign}" for sign in r"\`*_[]<>|~$&#"} | dict.fromkeys("\r\n", " ")
)
LATEX: Mapping[int, str] = str.maketrans(
    {sign: f"\\{sign}" for sign in "{}$&#_%"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"}
    | {"[": "{[}", "*": "{*}"}
    | dict.fromkeys("\r\n", " ")  # after the end of a row these would be read as its own
)


class Sheet(NamedTuple):
    """A table as text; its last columns, so many as `numbers`, are metrics."""

    head: list[str]
    rows: list[list[str]]
    numbers: int


def of_runs(runs: Iterable[Run], params: Sequence[str], metrics: Sequence[str]) -> Sheet:
    """A line for each run, numbers to the last digit.

    Args:
        runs: In the order of the lines.
        params, metrics: The names of the columns after `COLUMNS`; empty where a run lacks one.
    """
    rows = []
    for run in runs:
        about = [run.name, run.kind, run.created or "", run.state, *_params(run.params, params)]
        rows.append(about + [str(run.metrics.get(name, "")) for name in metrics])
    return Sheet([*COLUMNS, *params, *metrics], rows, len(metrics))


def of_groups(groups: Iterable[Group], params: Sequence[str], metrics: Sequence[str]) -> Sheet:
    """A line for each group over seeds: of every metric mean, standard deviation and count."""
    rows = []
    for group in groups:
        row = [group.runs[0].name, str(len(group.runs)), *_params(group.params, params)]
        for found in map(group.metrics.get, metrics):
            told = (found.mean, found.deviation, found.n) if found else (None,) * 3
            row += ["" if value is None else str(value) for value in told]
        rows.append(row)
    names = [f"{name}{what}" for name in metrics for what in ("", " sd", " n")]
    return Sheet(["name", "runs", *params, *names], rows, len(names))


def to_csv(sheet: Sheet) -> str:
    """Comma-separated lines."""
    text = io.StringIO()
    csv.writer(text).writerows([sheet.head, *sheet.rows])
    return text.getvalue()


def to_markdown(sheet: Sheet) -> str:
    """A table as GitHub reads it."""
    head, *rows = [[cell.translate(MARKDOWN) for cell in row] for row in [sheet.head, *sheet.rows]]
    rule = ["---"] * (len(head) - sheet.numbers) + ["---:"] * sheet.numbers
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


def to_latex(sheet: Sheet) -> str:
    """A `tabular` that needs the package fontenc with T1."""
    head, *rows = [[_latex(cell) for cell in row] for row in [sheet.head, *sheet.rows]]
    places = "l" * (len(head) - sheet.numbers) + "r" * sheet.numbers
    lines = [f"\\begin{{tabular}}{{{places}}}", "\\hline", _line(head), "\\hline"]
    return "\n".join([*lines, *map(_line, rows), "\\hline", "\\end{tabular}", ""])


def curve_csv(of: Mapping[str, Curve]) -> str:
    """The points of a curve of several runs, by their names."""
    curve = next(iter(of.values()))
    text = io.StringIO()
    write = csv.writer(text)
    write.writerow(["run", "series", curve.x_label, curve.y_label])
    for run, found in of.items():
        for series, points in found.series.items():
            write.writerows([run, series, x, y] for x, y in points)
    return text.getvalue()


def _params(found: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    return [shown(found[name]) if name in found else "" for name in names]


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex(cell: str) -> str:
    """Two dashes would be printed as one long one, two quotes as one mark."""
    return re.sub(r"(?<=[-'`,?!])(?=[-'`,])", "{}", cell.translate(LATEX))
