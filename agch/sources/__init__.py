"""Data sources: where pictures with text and labels come from, one module each, opened by name.

To add one, derive a class from `Source` in a module of its own and list it in `SOURCES`.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainValidator

from agch.download import obtain
from agch.schema import section
from agch.sources.base import Item, Source, SourceError
from agch.sources.features import Features
from agch.sources.folder import Folder
from agch.sources.mirflickr25k import MIRFlickr25K
from agch.sources.nuswide import NUSWide
from agch.sources.openclipart import OpenClipart
from agch.sources.openmoji import OpenMoji
from agch.sources.wikipedia import Wikipedia

__all__ = ["DataParams", "Item", "Source", "SourceError", "SOURCES"]

SOURCES: dict[str, type[Source]] = {
    source.name: source
    for source in (OpenClipart, OpenMoji, MIRFlickr25K, NUSWide, Wikipedia, Folder, Features)
}
FOLDER = "AGCH_DATA"
"""Environment variable: where the sources lie that are not in the repository, a folder each."""


def _known(name: str) -> str:
    if name not in SOURCES:
        near = difflib.get_close_matches(name, SOURCES, n=1, cutoff=0)[0]
        raise ValueError(f"unknown '{name}'; did you mean '{near}'? (known: {', '.join(SOURCES)})")
    return name


def _words(value: object) -> object:
    """Checked as a whole, because a union would report a problem for each of its members."""
    if value == "english" or isinstance(value, list) and all(isinstance(v, str) for v in value):
        return value
    raise ValueError(f"must be english, or a list of words, [] for none; got {value!r}")


@section
class DataParams:
    """Section `data`."""

    source: Annotated[str, AfterValidator(_known)]
    path: Annotated[str, Field(min_length=1)] | None
    min_items: Annotated[int, Field(ge=1)]
    stop_words: Annotated[str | list[str], PlainValidator(_words)]
    counts: Literal["published", "any"]

    def __post_init__(self) -> None:
        """Nobody else knows where one's own data lies."""
        if SOURCES[self.source].yours and self.path is None:
            raise ValueError(f"source '{self.source}' needs data.path, where your data lies")


def location(params: DataParams) -> Path:
    """Where the source lies: `data.path`, its place in the repository, or a folder of its own.

    The last is named after the source and stands in the folder that AGCH_DATA names, without that
    in the user's cache.
    """
    place = SOURCES[params.source].place
    if params.path is not None:
        return Path(os.path.expanduser(params.path))
    if place is not None:
        return place
    return Path(os.path.expanduser(os.environ.get(FOLDER, "~/.cache/agch"))) / params.source


def fetch(params: DataParams) -> Path:
    """Find the source; download what its owners publish and is not there; return its location.

    Where `data.counts` takes anything, what is there is not compared with what was published.

    Raises:
        SourceError: Nothing is there.
        DownloadError: A download failed, or a file is not what was published or pinned.
    """
    path = location(params)
    for remote in SOURCES[params.source].remotes:
        if params.counts == "published" or not (path / remote.name).exists():
            obtain(remote, path)
    try:
        path.stat()
    except OSError as error:
        raise SourceError(
            f"{path}: {error.strerror}, expected data source '{params.source}'; {_remedy(params)}"
        ) from None
    return path


def _remedy(params: DataParams) -> str:
    if params.path is None and SOURCES[params.source].place is None:
        return f"put its files there, or name their place in data.path or the variable {FOLDER}"
    remedy = "correct data.path" if params.path else "restore it, or run the build.py of its folder"
    if location(params).is_absolute():
        return remedy
    return f"{remedy}; under --temp, a copy of what git has, name an absolute data.path"


def open_source(params: DataParams) -> Source:
    """Open the source where `fetch` found it; see `Source` for errors."""
    return SOURCES[params.source](location(params))
