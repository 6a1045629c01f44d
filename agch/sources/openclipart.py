"""The default source: tagged public-domain drawings in one archive.

The archive, made by data/openclipart/build.py, is a zip of the pictures and of `manifest.jsonl`:
one JSON object a line with the keys id, image, title, tags, labels and paths. Labels are folder
names of the collection, so every word of any label's name is taken out of every item's text.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from agch.sources import Item, SourceError
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


class OpenClipart:
    """The drawings of the Open Clip Art Library, release 0.18, as packaged by Debian.

    Args:
        path: the archive. Its manifest is read and checked here, pictures are read by `items`.
    Raises:
        SourceError: not a zip, no manifest, a line that is not as described, a picture missing.
    """

    name = "openclipart"
    licence = "public domain (Creative Commons Public Domain Dedication)"

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                self._records = _read_manifest(archive, path)
        except zipfile.BadZipFile as error:
            raise SourceError(f"{path}: not a zip archive ({error}); {REMEDY}") from error
        self._label_words = label_words({name for r in self._records for name in r.labels})

    def items(self) -> Iterator[Item]:
        """Yield the items in the order of the manifest; see `agch.sources.Source.items`.

        An item whose title and tags hold nothing but label words is yielded with empty tags.
        """
        with zipfile.ZipFile(self._path) as archive:
            for record in self._records:
                try:
                    image = archive.read(record.image)
                except zipfile.BadZipFile as error:
                    message = f"{self._path}: entry {record.image} is damaged ({error}); {REMEDY}"
                    raise SourceError(message) from error
                yield Item(
                    id=record.id,
                    image=image,
                    title=record.title,
                    tags=without([*record.tags, record.title], self._label_words),
                    labels=tuple(sorted(set(record.labels))),
                )


def _read_manifest(archive: zipfile.ZipFile, path: Path) -> list[Record]:
    entries = set(archive.namelist())
    if MANIFEST not in entries:
        raise SourceError(f"{path}: has no entry {MANIFEST}; {REMEDY}")
    records: dict[str, Record] = {}
    for number, line in enumerate(archive.read(MANIFEST).splitlines(), start=1):
        try:
            record = _parse(line)
            if record.id in records:
                raise ValueError(f"id '{record.id}' is already taken by an earlier line")
            if record.image not in entries:
                raise ValueError(f"the archive has no entry '{record.image}'")
        except ValueError as error:
            raise SourceError(f"{path}: {MANIFEST} line {number}: {error}; {REMEDY}") from error
        records[record.id] = record
    return list(records.values())


def _parse(line: bytes) -> Record:
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
