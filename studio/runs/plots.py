"""What `dvc.yaml` says of a repository's plots: which columns of which files."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studio.runs.locks import mapping

NO_LINES = ("bar", "confusion", "scatter")
"""How the names of DVC's templates begin that are not drawn as lines."""


@dataclass(frozen=True)
class Source:
    """A column of a file or of all files in a folder; the last one if it is empty."""

    path: str
    column: str


@dataclass(frozen=True)
class Plot:
    """A plot as it is declared.

    Attributes:
        x: Where x comes from by the file of y; under `` for every other one. Rows count without.
    """

    id: str
    title: str
    x: Mapping[str, Source]
    y: tuple[Source, ...]
    x_label: str
    y_label: str


def plots(pipelines: Mapping[str, Any]) -> list[Plot]:
    """All plots of lines: those of the pipelines, then those of their stages.

    Args:
        pipelines: What is in each `dvc.yaml`, by its folder.
    """
    found: dict[str, Plot] = {}
    for folder, pipeline in sorted(pipelines.items()):
        stages = mapping(mapping(pipeline).get("stages")).values()
        for declared in map(mapping, (pipeline, *stages)):
            for name, about in _declared(declared.get("plots")):
                plot = _plot(posixpath.join(folder, str(declared.get("wdir") or "")), name, about)
                if not str(about.get("template", "")).startswith(NO_LINES):
                    found.setdefault(plot.id, plot)
    return list(found.values())


def _declared(plots: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Names and what is said of each; a name alone, a list and a mapping are all allowed."""
    for entry in plots if isinstance(plots, list) else [plots] if plots else []:
        for name, about in mapping(entry).items() or [(entry, None)]:
            yield str(name), mapping(about)


def _plot(folder: str, name: str, about: Mapping[str, Any]) -> Plot:
    def place(path: Any) -> str:
        return posixpath.normpath(posixpath.join(folder, str(path)))

    y, x = about.get("y"), about.get("x")
    sources = y if isinstance(y, dict) else {name: y}
    ys = tuple(
        Source(place(path), column) for path in sources for column in _columns(sources[path])
    )
    xs = {
        place(path): Source(place(path), column)
        for path, columns in mapping(x).items()
        for column in _columns(columns)[:1]
    }
    if len(xs) == 1:
        xs[""] = next(iter(xs.values()))
    elif isinstance(x, str):
        xs = {source.path: Source(source.path, x) for source in ys}
    return Plot(
        id=place(name),
        title=str(about.get("title") or name),
        x=xs,
        y=ys,
        x_label=str(about.get("x_label") or (next(iter(xs.values())).column if xs else "step")),
        y_label=str(about.get("y_label") or (ys[0].column if len(ys) == 1 else "")),
    )


def _columns(written: Any) -> list[str]:
    return (
        [str(column) for column in written] if isinstance(written, list) else [str(written or "")]
    )
