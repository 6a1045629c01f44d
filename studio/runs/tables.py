"""Tables in the files that DVC draws plots from: CSV, TSV, JSON and YAML."""

from __future__ import annotations

import csv
import io
import json
import math
import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from studio.errors import StudioError
from studio.runs.locks import read_yaml

Row = dict[str, Any]
DELIMITERS = {".csv": ",", ".tsv": "\t"}
FORMATS = (*DELIMITERS, ".json", ".yaml", ".yml")


def is_table(path: str) -> bool:
    """Whether a file may hold one, by its name."""
    return path.endswith(FORMATS)


def table(path: str, content: bytes, columns: Sequence[str]) -> list[Row]:
    """The rows of the first table in a file that has these columns; none if no table has.

    A table of JSON or YAML is a list of mappings, at whatever depth.

    Raises:
        StudioError: The file is not what its name says.
    """
    try:
        text = content.decode("utf-8-sig")
        suffix = posixpath.splitext(path)[1]
        if suffix in DELIMITERS:
            found = [[*csv.DictReader(io.StringIO(text), delimiter=DELIMITERS[suffix])]]
        else:
            read = json.loads(text) if suffix == ".json" else read_yaml(content, path)
            found = [*_lists(read)]
    except (ValueError, csv.Error, RecursionError) as error:
        raise StudioError(f"cannot read {path}: {error}") from None
    wanted = set(columns)
    return next((rows for rows in found if rows and wanted <= {*rows[0]}), [])


def number(value: Any) -> float | None:
    """A cell as a number; None if it is text or a truth value, NaN where it is empty."""
    if value is None or value == "":
        return math.nan
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        return float(value)
    except (ValueError, OverflowError):
        return None


def _lists(found: Any) -> Iterator[list[Row]]:
    if isinstance(found, list) and all(isinstance(row, dict) for row in found):
        yield found
    elif isinstance(found, dict):
        for inner in found.values():
            yield from _lists(inner)
