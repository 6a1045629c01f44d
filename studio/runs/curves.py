"""The curves of a run: the plots that its `dvc.yaml` declares, where they are lines of numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from posixpath import relpath, splitext

from studio.errors import StudioError
from studio.runs.cache import Cache
from studio.runs.plots import Plot, Source, plots
from studio.runs.tables import Row, is_table, number, table
from studio.runs.trees import Tree, meet

STEP = "step"
"""The name of x where none is declared."""
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """Lines that share their axes.

    Attributes:
        id: The same for every run that declares it.
        x: The name of the column.
        series: Finite points with rising x, by the names of the lines.
    """

    id: str
    title: str
    x_label: str
    y_label: str
    x: str
    series: dict[str, Points]


def curves(tree: Tree) -> list[Curve]:
    """All that a run has; a plot that cannot be read as lines is passed over.

    Args:
        tree: The run's files, as `RunFiles.of` gives them.
    """
    found = (
        _curve(tree, single) for plot in plots(tree.pipelines) for single in _files(tree, plot)
    )
    return [curve for curve in found if curve.series]


def lacking(tree: Tree, cache: Cache) -> list[str]:
    """The outputs that plots are drawn from and that are not in the cache, or not all of them."""
    sources = {source.path for plot in plots(tree.pipelines) for source in plot.y}
    drawn = [path for path in tree.outs if any(meet(path, each) for each in sources)]
    return [path for path in drawn if not cache.complete(tree.outs[path], path)]


def _files(tree: Tree, plot: Plot) -> Iterator[Plot]:
    """The plot, or one for each table in the folder that it names."""
    folders = {source.path for source in plot.y if tree.under(source.path)}
    if not folders:
        yield plot
    for folder in folders:
        for path in filter(is_table, tree.under(folder)):
            inside = splitext(relpath(path, folder))[0]
            ys = tuple(replace(source, path=path) for source in plot.y if source.path == folder)
            x = plot.x.get(folder)
            yield replace(
                plot,
                id=f"{plot.id}/{inside}",
                title=inside if plot.title == plot.id else f"{plot.title}: {inside}",
                x={path: replace(x, path=path)} if x else {},
                y=ys,
            )


def _curve(tree: Tree, plot: Plot) -> Curve:
    found = [line for source in plot.y for line in _lines(tree, plot, source)]
    names = [name for _, name, _ in found]
    series = {
        name if names.count(name) == 1 else f"{path}: {name}": points
        for path, name, points in found
        if points
    }
    used = next((source.column for source in plot.x.values()), STEP)
    label = plot.y_label or (next(iter(series)) if len(series) == 1 else plot.title)
    return Curve(plot.id, plot.title, plot.x_label, label, used, series)


def _lines(tree: Tree, plot: Plot, source: Source) -> list[tuple[str, str, Points]]:
    """The lines of one column: file, name and points of each; none where it has no numbers."""
    x = plot.x.get(source.path) or plot.x.get("")
    try:
        rows = table(source.path, tree.read(source.path), [source.column] * bool(source.column))
        if not rows:
            return []
        column = source.column or [*rows[0]][-1]
        if x is None:
            xs = [row.get(STEP, place) for place, row in enumerate(rows)]
        elif x.path == source.path:
            xs = [row.get(x.column) for row in rows]
        else:
            xs = [row[x.column] for row in table(x.path, tree.read(x.path), [x.column])]
    except StudioError:
        return []  # the run has no such file, or it is no table
    texts = _telling(rows, xs, {column, x.column if x else STEP}) or [column] * len(rows)
    lines: dict[str, list[tuple[object, object]]] = {}
    if len(xs) == len(rows):
        for text, at, row in zip(texts, xs, rows):
            lines.setdefault(text, []).append((at, row.get(column)))
    return [(source.path, name, _points(line)) for name, line in lines.items()]


def _telling(rows: Sequence[Row], xs: Sequence[object], others: set[str]) -> list[str] | None:
    """The texts of a column that tells rows with the same x apart, where they need it."""
    if len({*map(number, xs)}) == len(rows):
        return None
    for key in (key for key in rows[0] if key not in others):
        texts = [row.get(key) for row in rows]
        if all(isinstance(text, str) and number(text) is None for text in texts):
            if len({*zip(texts, map(number, xs))}) == len(rows):
                return [str(text) for text in texts]
    return None


def _points(line: Sequence[tuple[object, object]]) -> Points:
    """The points that are finite; none of a line that has text, or that goes back."""
    points: Points = []
    for x, y in ((number(x), number(y)) for x, y in line):
        if x is None or y is None:
            return []
        if math.isfinite(x) and math.isfinite(y):
            points.append((x, y))
    return points if all(first[0] <= then[0] for first, then in pairwise(points)) else []
