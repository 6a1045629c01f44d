"""The columns of a user's table: their names, what may stand in them, and the item of a row.

`file`; `tags`, `caption` or both; `labels` and `split` where wanted. Other columns are ignored,
unless they look like one of these that is missing.
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from agch.sources.base import Item
from agch.text import without

COLUMNS = ("file", "tags", "caption", "labels", "split")
LISTS = ("tags", "labels")
SPLITS = ("train", "query", "database")
EXPECTED = "file, tags or caption or both, and where wanted labels and split"
NEAR = 0.83
"""Likeness from which a name is a misspelt one: `lables` of labels, not `location` of caption."""
NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What JSON can hold and no text file: U+0000, and halves of characters."""


def make_item(
    file: str,
    tags: Iterable[str] = (),
    caption: str = "",
    labels: Iterable[str] = (),
    split: str = "",
) -> Item:
    """The item of a row; `file` is its id.

    Tags and labels are tidied: Unicode NFC, one space for any white space, none around, each once,
    empty ones left out. Tags are in lower case; where there are none, the caption's words are the
    tags. Labels keep their case and are sorted.
    """
    caption = caption.strip()
    tidied = dict.fromkeys(_tidy(tag.lower()) for tag in tags)
    names = {_tidy(label) for label in labels} - {""}
    return Item(
        id=file,
        title="",
        tags=tuple(tag for tag in tidied if tag) or without([caption], ()),
        labels=tuple(sorted(names)),
        caption=caption,
        split=split.strip(),
    )


def _tidy(text: str) -> str:
    return " ".join(unicodedata.normalize("NFC", text).split())


@lru_cache  # of a JSONL every line is asked about, and nearly all have the same keys
def name_faults(found: tuple[str, ...], kind: str) -> tuple[str, ...]:
    """What is wrong with the names of the columns.

    Args:
        found: the names, in order.
        kind: what to call them, `column` or `key`.
    """
    near = {name: _near(name, found) for name in COLUMNS if name not in found}
    there = {name for name in COLUMNS if near.get(name, name)}
    told = f"found {', '.join(found) or 'none'}; expected {EXPECTED}"
    meant = [(n, name) for name, n in near.items() if n]
    faults = [f"unknown {kind} '{n}'; did you mean '{name}'? rename it" for n, name in meant]
    faults += [f"there are two {kind}s '{n}'; remove one" for n in COLUMNS if found.count(n) > 1]
    if "file" not in there:
        faults.append(f"there is no {kind} 'file'; {told}")
    if there.isdisjoint(("tags", "caption")):
        faults.append(f"there is no {kind} 'tags' and no {kind} 'caption'; {told}")
    return tuple(faults)


def _near(name: str, found: Collection[str]) -> str:
    """The column that is probably meant to be `name`, which is missing; empty if none is."""
    columns = {column.casefold(): column for column in found}
    longer = [key for key in columns if name == "file" and name in key]  # filename, image_file
    near = longer or difflib.get_close_matches(name, columns, n=1, cutoff=NEAR)
    return columns[near[0]] if near else ""


def value_faults(cells: Mapping[str, Any]) -> list[str]:
    """What is wrong with the values of a row, which have the right types."""
    faults = []
    if not cells.get("file", "").strip():
        faults.append("'file' is empty, expected the name of a picture; add it or remove the row")
    if (split := cells.get("split", "").strip()) not in ("", *SPLITS):
        known = ", ".join(SPLITS)
        faults.append(f"the split is {split!r}, expected {known} or nothing; correct it")
    if bad := NO_TEXT.search("".join("".join(cells.get(name, ())) for name in COLUMNS)):
        faults.append(f"there is U+{ord(bad[0]):04X} in a text, which is no character; remove it")
    return faults


def comma_faults(column: str, cells: Sequence[tuple[int, str]]) -> list[str]:
    """Whether commas stand where semicolons belong, which would make one long tag of many.

    Args:
        column: its name.
        cells: the line and the text of each cell.
    """
    filled = [(line, text) for line, text in cells if text.strip()]
    lines = [line for line, text in filled if "," in text]
    if len(lines) * 2 <= len(filled) or any(";" in text for _, text in filled):
        return []
    return [
        f"line {lines[0]}: {column} are separated by ',', expected ';'; replace the commas, or end "
        "one cell with ';' if they belong to the names"
    ]
