"""Your own pictures: a folder of them, with a table of their tags or a caption beside each.

The folder holds pictures, in subfolders if you like, and one table at the top (see
`agch.sources.columns`); or no table, and beside a picture `name.ext` its caption in `name.txt`.
Files and folders whose name begins with a point are not looked at.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from PIL import Image

from agch.sources.base import Item, Source, SourceError
from agch.sources.columns import make_item
from agch.sources.listing import Files, files_in, picture_fault
from agch.sources.table import LISTED, read_text, refuse, rows

TABLES = (".csv", ".jsonl")
LAYOUTS = """put into it either one table, say tags.csv (the labels may be left out):
    file,tags,labels
    cats/tom.jpg,cat;grey;green sofa,pets
or beside each picture a text of the same name:
    cats/tom.jpg
    cats/tom.txt    A grey cat sleeps on a green sofa."""


class Folder(Source):
    """A folder of pictures with a table, or with captions beside them.

    An item's id is the path of its picture in the folder, with forward slashes. Items come in the
    order of the table; without one in alphabetical order of their ids.

    Raises:
        SourceError: all problems at once, each with its place: the first ten, and their number.
    """

    name = "folder"
    licence = "your own"
    yours = True
    unites_duplicates = True

    def __init__(self, path: Path) -> None:
        if not path.is_dir():
            found = f"a file; name its folder, {path.parent}" if path.exists() else "not there"
            raise SourceError(f"data.path is {path}, expected a folder of pictures; it is {found}")
        self._path = path
        files = files_in(path)
        tables = [name for name in files if "/" not in name and name.lower().endswith(TABLES)]
        if len(tables) > 1:
            listed = ", ".join(sorted(tables))
            raise SourceError(
                f"{path}: found {len(tables)} tables ({listed}), expected one; keep one and move "
                "the others out of the folder"
            )
        self._items = _tabled(path, tables[0], files) if tables else _captioned(path, files)

    def items(self) -> Iterator[Item]:
        """See `Source.items`; without a caption beside it, an item has no tags."""
        return iter(self._items)

    def pictures(self, ids: Iterable[str]) -> Iterator[bytes]:
        """See `Source.pictures`."""
        for each in ids:
            try:
                yield (self._path / each).read_bytes()
            except OSError as error:
                raise SourceError(
                    f"{self._path}: {each!r} cannot be read any more ({error.strerror}); put it "
                    "back, or take it out of the table"
                ) from None


def _tabled(folder: Path, table: str, files: Files) -> list[Item]:
    problems: list[str] = []
    items: list[Item] = []
    lines: dict[str, int] = {}
    for line, item in rows(folder / table, problems):
        if item.id in lines:
            fault = f"{item.id!r} is already in line {lines[item.id]}; remove one of them"
        else:
            fault = picture_fault(item.id, files, suggest=len(problems) < LISTED)
        lines.setdefault(item.id, line)
        items.append(item)
        if fault:
            problems.append(f"line {line}: {fault}")
    refuse(folder / table, problems)
    return items


def _captioned(folder: Path, files: Files) -> list[Item]:
    names = sorted(files)
    texts = {os.path.splitext(name)[0]: name for name in names if name.lower().endswith(".txt")}
    pictures = [name for name in names if name.lower().endswith(_suffixes())]
    pairs = {name: texts.get(os.path.splitext(name)[0]) for name in pictures}
    if not any(pairs.values()):
        raise SourceError(
            f"{folder}: found no table (*.csv, *.jsonl) at its top and no text beside a picture "
            f"({len(pairs)} pictures); {LAYOUTS}"
        )
    problems: list[str] = []
    items: list[Item] = []
    for name, text in pairs.items():
        try:
            items.append(make_item(name, caption=read_text(folder / text) if text else ""))
        except ValueError as error:
            problems.append(f"{text!r}: {error}")
        if fault := picture_fault(name, files):
            problems.append(fault)
    refuse(folder, problems)
    return items


def _suffixes() -> tuple[str, ...]:
    """Of the pictures that Pillow can read."""
    Image.init()
    known = Image.registered_extensions().items()
    return tuple(suffix for suffix, kind in known if kind in Image.OPEN)
