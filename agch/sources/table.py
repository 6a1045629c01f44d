"""Reading a table of pictures, CSV or JSONL, row by row, so that every problem has its line.

In CSV `;` stands between tags and between labels, in JSONL they are lists of strings.
"""

from __future__ import annotations

import csv
import io
import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from agch.sources.base import Item, SourceError
from agch.sources.columns import (
    COLUMNS,
    LISTS,
    comma_faults,
    make_item,
    name_faults,
    value_faults,
)

LISTED = 10
"""Problems that a message lists; of the others it gives the number."""

Row = tuple[int, Mapping[str, Any]]  # the line it begins in, and its cells by column


def rows(path: Path, problems: list[str]) -> Iterator[tuple[int, Item]]:
    """Yield the item of each row that names a file, and the line it begins in, as editors count.

    Args:
        path: a table; its suffix says whether CSV or JSONL.
        problems: what is wrong with the table is added here, a text for each problem.
    """
    empty = True
    read = _csv if path.suffix.lower() == ".csv" else _jsonl
    try:
        for line, cells in read(read_text(path), problems):
            empty = False
            problems += [f"line {line}: {fault}" for fault in value_faults(cells)]
            if cells.get("file", "").strip():
                yield line, make_item(**{name: cells[name] for name in COLUMNS if name in cells})
    except ValueError as error:
        problems.append(str(error))
    if empty and not problems:
        problems.append("the table has no rows, expected one for each picture; add them")


def read_text(path: Path) -> str:
    """The content of a UTF-8 file, with or without a byte order mark.

    Raises:
        ValueError: it is not UTF-8, or cannot be read; the message does not name the file.
    """
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = io.StringIO(error.object[: error.start].decode(), newline=None).read()
        line, byte = before.count("\n") + 1, error.object[error.start]
        raise ValueError(
            f"line {line}: byte 0x{byte:02x} is not UTF-8; save the file as UTF-8 "
            "(spreadsheets call it 'CSV UTF-8')"
        ) from None
    except OSError as error:
        raise ValueError(f"cannot be read ({error.strerror}); correct its permissions") from None


def refuse(path: Path, problems: Sequence[str]) -> None:
    """Report the problems with `path`, if there are any, as one error.

    Raises:
        SourceError: the first ten problems, and how many there are.
    """
    if problems:
        count = "1 problem" if len(problems) == 1 else f"{len(problems):,} problems"
        first = f", the first {LISTED}" if len(problems) > LISTED else ""
        listed = "".join(f"\n  {problem}" for problem in problems[:LISTED])
        raise SourceError(f"{path}: {count}{first}:{listed}")


def _csv(text: str, problems: list[str]) -> Iterator[Row]:
    records = _records(text)
    line, header = next(records, (1, []))
    names = tuple(name.strip() for name in header)
    if faults := _header_faults(names):
        problems += [f"line {line}: {fault}" for fault in faults]
        return
    lists: dict[str, list[tuple[int, str]]] = {name: [] for name in LISTS if name in names}
    for line, record in records:
        if len(record) != len(names):
            problems.append(
                f"line {line}: {len(record)} fields, expected {len(names)} "
                f'({", ".join(names)}); put quotes (") around a text with commas in it'
            )
            continue
        cells: dict[str, Any] = dict(zip(names, record))
        for name, column in lists.items():
            column.append((line, cells[name]))
            cells[name] = cells[name].split(";")
        yield line, cells
    problems[:0] = [fault for name in lists for fault in comma_faults(name, lists[name])]


def _records(text: str) -> Iterator[tuple[int, list[str]]]:
    """The records of a CSV that are not blank, each with the line it begins in.

    Raises:
        ValueError: quotes that make no sense, such as one that is not closed.
    """
    # the module's own limit is shorter than some articles
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for record in reader:
            if "".join(record).strip():
                yield line, record
            line = reader.line_num + 1
    except csv.Error as error:
        raise ValueError(
            f"line {line}: the quotes of the row that begins here do not match ({error}); put "
            'quotes (") around the whole text and write each quote within it twice ("")'
        ) from None


def _header_faults(names: tuple[str, ...]) -> Sequence[str]:
    if len(names) == 1 and (mark := next((mark for mark in ";\t" if mark in names[0]), "")):
        return [f"columns are separated by {mark!r}, expected ','; save the table with commas"]
    return name_faults(names, "column")


def _jsonl(text: str, problems: list[str]) -> Iterator[Row]:
    for line, written in enumerate(io.StringIO(text, newline=None), start=1):
        if written.strip():
            try:
                cells = _parse(written)
            except ValueError as error:
                problems.append(f"line {line}: {error}")
            else:
                yield line, cells


def _parse(written: str) -> dict[str, Any]:
    """One line of JSONL; null is the same as no such key."""
    try:
        values = json.loads(written)
    except json.JSONDecodeError as error:
        reason = f"{error.msg} at column {error.colno}"
        raise ValueError(f"not JSON ({reason}); write one object in each line") from None
    except RecursionError:
        raise ValueError("more brackets than JSON for a picture has; remove them") from None
    if not isinstance(values, dict):
        expected = 'one object in each line, such as {"file": "a.png", "tags": ["dog", "park"]}'
        raise ValueError(f"found a {type(values).__name__}, expected {expected}")
    if faults := name_faults(tuple(values), "key"):
        raise ValueError("; ".join(faults))
    cells = {name: values[name] for name in COLUMNS if values.get(name) is not None}
    for name, value in cells.items():
        _check_type(name, value)
    return cells


def _check_type(name: str, value: object) -> None:
    found = reprlib.repr(value)
    if name not in LISTS and not isinstance(value, str):
        raise ValueError(f"'{name}' is {found}, expected a string; put quotes around it")
    if name in LISTS and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
        remedy = 'write it as ["dog", "green park"]'
        raise ValueError(f"'{name}' is {found}, expected a list of strings; {remedy}")
