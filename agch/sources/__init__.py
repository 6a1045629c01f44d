"""Data sources: where pictures with text and labels come from, one module each, opened by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from agch.errors import InputError
from agch.files import sha256 as digest_of


class SourceError(InputError):
    """A source that cannot be used: the message names the file, what was found and the remedy."""


@dataclass(frozen=True)
class Item:
    """One picture with its text and labels, as a source delivers it.

    Attributes:
        id: unique in its source, the same in every run.
        image: the encoded picture as stored.
        title: as the source has it, may be empty.
        tags: the words that may enter the vocabulary, in source order, each once, may be empty.
        labels: sorted, each once.
    """

    id: str
    image: bytes
    title: str
    tags: tuple[str, ...]
    labels: tuple[str, ...]


class Source(Protocol):
    """A data set that was found, verified and can be read item by item."""

    @property
    def name(self) -> str:
        """The name `data.source` knows it by."""

    @property
    def licence(self) -> str:
        """The licence of its pictures, in words."""

    def items(self) -> Iterator[Item]:
        """Yield the items in the source's own order, reading one picture at a time.

        Raises:
            SourceError: a picture cannot be read.
        """


def _openclipart(path: Path) -> Source:
    from agch.sources.openclipart import OpenClipart

    return OpenClipart(path)


def _openmoji(path: Path) -> Source:
    from agch.sources.openmoji import OpenMoji

    return OpenMoji(path)


# each entry imports its module when used: a source brings along only what it needs itself
SOURCES: dict[str, Callable[[Path], Source]] = {
    "openclipart": _openclipart,
    "openmoji": _openmoji,
}


def open_source(name: str, path: Path, sha256: str | None) -> Source:
    """Verify a source's file and open it.

    Args:
        name: a key of SOURCES.
        path: the source's file, opened for reading only.
        sha256: the digest it must have (hex digits); None checks nothing.
    Raises:
        SourceError: unknown name, no such file, another digest, or content the source rejects.
    """
    if name not in SOURCES:
        raise SourceError(f"data source '{name}' is unknown; choose one of: {', '.join(SOURCES)}")
    if not path.is_file():
        raise SourceError(
            f"{path}: no such file, expected the archive of data source '{name}'; restore it, "
            "build it with the build.py of its folder, or correct the path"
        )
    if sha256 is not None and (found := digest_of(path)) != sha256.lower():
        raise SourceError(
            f"{path}: sha256 is {found}, expected {sha256}; restore the file from the repository, "
            "or, if it was changed on purpose, give its new digest"
        )
    return SOURCES[name](path)
