"""Outputs that are whole or absent, and the two text formats that git and DVC read.

Everything is written under a temporary name beside its place and renamed when complete, so that a
killed stage leaves nothing that looks whole.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path for the caller to write a file or a folder at; rename it at the end.

    After an error nothing is left, and what stood at `path` before stays.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    _remove(part)
    try:
        yield part
        if part.is_dir():
            _remove(path)
        os.replace(part, path)
    finally:
        _remove(part)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def sha256(path: Path) -> str:
    """Hex digest of a file, read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, values: dict[str, Any]) -> None:
    """Write metrics as JSON, floats rounded to 6 decimals, keys in the given order.

    Raises:
        ValueError: A value is not finite; the message names its key.
    """
    rounded = _rounded(values, "")
    with replacing(path) as part:
        part.write_text(json.dumps(rounded, indent=2) + "\n", encoding="utf-8")


def _rounded(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {k: _rounded(v, f"{key}.{k}".lstrip(".")) for k, v in value.items()}
    if isinstance(value, list):
        return [_rounded(v, f"{key}[{i}]") for i, v in enumerate(value)]
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"metric '{key}' is {value}; a metrics file holds finite numbers only")
        return round(value, 6)
    return value


def write_csv(path: Path, columns: Mapping[str, Sequence[float] | Sequence[str]]) -> None:
    """Write a table: one named column per sequence; numbers with 6 decimals at most.

    Raises:
        ValueError: A number is not finite.
    """
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for row in zip(*columns.values(), strict=True):
            writer.writerow([value if isinstance(value, str) else _short(value) for value in row])


def read_table(path: Path) -> dict[str, list[str]]:
    """Read what `write_csv` wrote, or a .tsv of dvclive: the texts of each column."""
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file, delimiter="\t" if path.suffix == ".tsv" else ",")
    return {name: [row[place] for row in rows] for place, name in enumerate(header)}


def _short(value: float) -> str:
    if not math.isfinite(value):
        raise ValueError(f"a table holds finite numbers only, got {value}")
    return f"{round(value, 6) + 0.0:.6f}".rstrip("0").rstrip(".")
