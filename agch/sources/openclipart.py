"""The default source: tagged public-domain drawings in one archive.

The archive, made by data/openclipart/build.py, is a zip of the pictures and of `manifest.jsonl`:
one JSON object a line with the keys id, image, title, tags, labels and paths. Labels are folder
names of the collection, so every word of any label's name is taken out of every item's text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, ClassVar

from agch.files import sha256
from agch.sources.base import Item, Source, SourceError
from agch.sources.tree import Tree
from agch.text import label_words, without

MANIFEST = "manifest.jsonl"
REMEDY = "restore the archive or rebuild it with the build.py of its folder"


@dataclass(frozen=True)
class Record:
    """One line of the manifest: `image` is an entry of the archive, `tags` are raw subjects."""

    id: str
    image: str
    title: str
    tags: list[str]
    labels: list[str]


class OpenClipart(Source):
    """The drawings of the Open Clip Art Library, release 0.18, as packaged by Debian.

    Attributes:
        digest: sha256 of the archive that the repository has; one named by a path may be another.
    """

    name = "openclipart"
    licence = "public domain (Creative Commons Public Domain Dedication)"
    place = Path("data/openclipart/openclipart.zip")
    digest: ClassVar[str | None] = (
        "9cf5a4f679281e396471b1037a8e3070de69112e0e4a24c4854927cc0388b234"
    )
    unites_duplicates = True

    def __init__(self, path: Path) -> None:
        if path == self.place and self.digest and (found := sha256(path)) != self.digest:
            raise SourceError(f"{path}: sha256 is {found}, expected {self.digest}; {REMEDY}")
        self._tree = Tree(path, REMEDY)
        self._records = _read_manifest(self._tree)
        names = {name for record in self._records.values() for name in record.labels}
        self._label_words = label_words(names)

    def items(self) -> Iterator[Item]:
        """The items in the order of the manifest; tags are empty where all were label words."""
        for record in self._records.values():
            yield Item(
                id=record.id,
                title=record.title,
                tags=without([*record.tags, record.title], self._label_words),
                labels=tuple(sorted(set(record.labels))),
            )

    def pictures(self, ids: Iterable[str]) -> Iterator[bytes]:
        """See `Source.pictures`."""
        return (self._tree.read(self._records[each].image) for each in ids)


def _read_manifest(tree: Tree) -> dict[str, Record]:
    records: dict[str, Record] = {}
    for number, line in enumerate(tree.lines(MANIFEST), start=1):
        try:
            record = _parse(line)
            if record.id in records:
                raise ValueError(f"id '{record.id}' is already taken by an earlier line")
            if record.image not in tree:
                raise ValueError(f"the archive has no entry '{record.image}'")
        except ValueError as error:
            place = f"{tree.path}: {MANIFEST} line {number}"
            raise SourceError(f"{place}: {error}; {REMEDY}") from error
        records[record.id] = record
    return records


def _parse(line: str) -> Record:
    try:
        values: Any = json.loads(line)
    except ValueError as error:
        raise ValueError(f"not JSON ({error})") from error
    if not isinstance(values, dict):
        raise ValueError(f"expected a JSON object, found {type(values).__name__}")
    keys = [field.name for field in fields(Record)]
    if missing := [key for key in keys if key not in values]:
        raise ValueError(f"no key {', '.join(map(repr, missing))}, expected {', '.join(keys)}")
    for key in ("id", "image", "title"):
        if not isinstance(values[key], str):
            raise ValueError(f"{key!r} must be a string, found {values[key]!r}")
    for key in ("tags", "labels"):
        if not (isinstance(values[key], list) and all(isinstance(v, str) for v in values[key])):
            raise ValueError(f"{key!r} must be a list of strings, found {values[key]!r}")
    return Record(**{key: values[key] for key in keys})
