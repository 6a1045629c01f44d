"""The list of runs for other programs: CSV, Markdown, LaTeX; the points of curves as CSV."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence

from studio.runs.curves import Curve
from studio.runs.model import Run
from studio.runs.values import shown

COLUMNS = ("name", "kind", "created", "state")
MARKDOWN = str.maketrans({sign: f"\\{sign}" for sign in r"\`*_[]<>|~$&#"} | {"\n": " "})
LATEX: Mapping[int, str] = str.maketrans(
    {sign: f"\\{sign}" for sign in "{}$&#_%"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"}
    | {"[": "{[}", "*": "{*}", "\n": " "}  # after the end of a row these would be read as its own
)


def to_csv(runs: Iterable[Run], params: Sequence[str], metrics: Sequence[str]) -> str:
    """A line for each run, numbers to the last digit.

    Args:
        runs: In the order of the lines.
        params, metrics: The names of the columns after `COLUMNS`; empty where a run lacks one.
    """
    text = io.StringIO()
    csv.writer(text).writerows(_rows(runs, params, metrics))
    return text.getvalue()


def to_markdown(runs: Iterable[Run], params: Sequence[str], metrics: Sequence[str]) -> str:
    """A table as GitHub reads it; arguments as of `to_csv`."""
    head, *rows = [
        [cell.translate(MARKDOWN) for cell in row] for row in _rows(runs, params, metrics)
    ]
    rule = ["---"] * (len(head) - len(metrics)) + ["---:"] * len(metrics)
    return "".join(f"| {' | '.join(row)} |\n" for row in [head, rule, *rows])


def to_latex(runs: Iterable[Run], params: Sequence[str], metrics: Sequence[str]) -> str:
    """A `tabular` that needs the package fontenc with T1; arguments as of `to_csv`."""
    head, *rows = [[_latex(cell) for cell in row] for row in _rows(runs, params, metrics)]
    places = "l" * (len(head) - len(metrics)) + "r" * len(metrics)
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


def _rows(runs: Iterable[Run], params: Sequence[str], metrics: Sequence[str]) -> list[list[str]]:
    rows = [[*COLUMNS, *params, *metrics]]
    for run in runs:
        about = [run.name, run.kind, run.created or "", run.state]
        about += [shown(run.params[name]) if name in run.params else "" for name in params]
        rows.append(about + [str(run.metrics.get(name, "")) for name in metrics])
    return rows


def _line(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"


def _latex(cell: str) -> str:
    """Two dashes would be printed as one long one, two quotes as one mark."""
    return re.sub(r"(?<=[-'`,?!])(?=[-'`,])", "{}", cell.translate(LATEX))
