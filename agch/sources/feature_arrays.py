"""Which arrays of published features are what, and whether they can be used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agch.arrays import Array, describe, open_arrays, texts
from agch.errors import InputError
from agch.sources.columns import NO_TEXT

NAMES: dict[str, tuple[str, ...]] = {
    "image": ("image", "xall", "fall", "iall", "img"),
    "text": ("text", "yall", "txt", "tag", "tags"),
    "label": ("label", "lall", "lab", "labels"),
    **{part: (part,) for part in ("id", "vocabulary", "label_name", "split")},
}
"""What an array may be called, in upper or lower case, by its part."""
REQUIRED = ("image", "text")
SETS = ("query", "train", "database", "")
NUMBERS = "biuf"
BLOCK = 1024


class FeatureArrays:
    """The arrays by their part, which is a key of NAMES.

    Args:
        path: See `agch.arrays.open_arrays`.

    Attributes:
        arrays: Those that are there. Class numbers have become a matrix of labels, and labels
            without a column are left out.
        rows: Their number; None if neither image nor text is a matrix.
        problems: What `check` and `texts` found; rows are counted from 1.

    Raises:
        InputError: An array is missing, or two may each be the same part.
    """

    def __init__(self, path: Path) -> None:
        found = open_arrays(path)
        self._called = _recognise(path, found)
        self.arrays = {part: found[name] for part, name in self._called.items()}
        shapes = [self.arrays[part].shape for part in REQUIRED]
        self.rows = next((shape[0] for shape in shapes if len(shape) == 2), None)
        self.problems: list[str] = []
        if "label" in self.arrays:
            label = _as_matrix(self.arrays.pop("label"), self.rows)
            if label.shape != (self.rows, 0):
                self.arrays["label"] = label

    def check(self, part: str) -> bool:
        """Note what is wrong with a matrix; return whether it holds nothing but 0 and 1."""
        array = self.arrays[part]
        if fault := _fault(part, array, self.rows):
            self._note(part, f"is {describe(array)}; {fault}")
            return False
        bad, bad_row, other_row = _scan(array)
        if bad:
            what = f"has {bad} values that are NaN, infinite or too large for float32"
            self._note(part, f"{what}, the first in row {bad_row}; replace them or drop such rows")
        if part == "label" and other_row:
            self._note(part, f"has values other than 0 and 1, the first in row {other_row}")
        return not other_row

    def texts(self, part: str) -> list[str]:
        """The strings of an array, none if it is not there; note what is wrong with them."""
        if part not in self.arrays:
            return []
        try:
            values = texts(self.arrays[part])
        except InputError as error:
            self._note(part, str(error))
            return []
        of_columns = {"vocabulary": "text", "label_name": "label"}
        count = self.columns(of_columns[part]) if part in of_columns else self.rows
        if count not in (None, len(values)):
            self._note(part, f"has {len(values)} entries, expected {count}")
        if bad := NO_TEXT.search("".join(values)):
            self._note(part, f"has U+{ord(bad[0]):04X} in a text, which is no character")
        if wrong := _wrong_text(part, values):
            self._note(part, wrong)
        return values

    def columns(self, part: str) -> int | None:
        """Of a matrix; 0 if it is not there, None if it is no matrix."""
        shape = self.arrays[part].shape if part in self.arrays else (0, 0)
        return shape[1] if len(shape) == 2 else None

    def label_names(self) -> list[str]:
        """Names for labels without: by class number, else by column."""
        label = self.arrays.get("label")
        if isinstance(label, Classes):
            return [f"class {number}" for number in label.numbers]
        return numbered("label", self.columns("label"))

    def _note(self, part: str, what: str) -> None:
        self.problems.append(f"{part} ('{self._called[part]}') {what}")


class Classes:
    """One class number a row as a 0/1 matrix, a column for each class in ascending order."""

    dtype = np.dtype(np.bool)

    def __init__(self, classes: NDArray[np.int64]) -> None:
        self._classes, self.numbers = classes, np.unique(classes)
        self.shape = len(classes), len(self.numbers)

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> NDArray[np.bool]:
        return np.equal(self._classes[rows, None], self.numbers)


def blocks(rows: int) -> Iterator[NDArray[np.int64]]:
    """The places of all rows, as many at a time as are held at once."""
    return (np.arange(start, min(start + BLOCK, rows)) for start in range(0, rows, BLOCK))


def numbered(word: str, count: int | None) -> list[str]:
    """`word_01`, `word_02`, ...: as many digits as the last needs, so that they sort in order."""
    return [f"{word}_{n:0{len(str(count))}}" for n in range(1, (count or 0) + 1)]


def _recognise(path: Path, arrays: Mapping[str, Array]) -> dict[str, str]:
    """The name of each part's array; what may be a matrix goes before what cannot be one."""
    called: dict[str, str] = {}
    for part, names in NAMES.items():
        fitting = [name for name in arrays if name.lower() in names]
        best = [n for n in fitting if len(arrays[n].shape) < 3 and arrays[n].dtype.kind in NUMBERS]
        if len(best or fitting) > 1:
            told = " and ".join(best or fitting)
            raise InputError(f"{path}: {told} may each be the {part}; rename all but one")
        called |= {part: name for name in best or fitting}
    if missing := [part for part in REQUIRED if part not in called]:
        wanted = "".join(f"\n  {part}: {', '.join(NAMES[part])}" for part in missing)
        held = "".join(f"\n  {name}: {describe(array)}" for name, array in arrays.items())
        raise InputError(
            f"{path} has no array for {' and '.join(missing)}; rename yours. Names, in upper or "
            f"lower case:{wanted}\nIt holds:{held or ' nothing'}"
        )
    return called


def _as_matrix(label: Array, rows: int | None) -> Array:
    """Class numbers, in one row or column, as a matrix; anything else as it is.

    A single column of 0 and 1 is a matrix already.
    """
    if label.shape not in ((rows,), (1, rows), (rows, 1)) or label.dtype.kind not in NUMBERS:
        return label
    values = np.ravel(label[:]).astype(np.float64)
    is_matrix = label.shape == (rows, 1) and np.isin(values, (0, 1)).all()
    if is_matrix or not np.isfinite(values).all() or (values != np.rint(values)).any():
        return label
    return Classes(values.astype(np.int64))


def _fault(part: str, array: Array, rows: int | None) -> str:
    """Why this cannot be the part's matrix, whatever its values; empty if it can."""
    if part == "image" and len(array.shape) == 4:
        return "these are pixels, expected features; compute them and put them in its place"
    if len(array.shape) != 2 or array.dtype.kind not in NUMBERS:
        return "expected a matrix of numbers" + ", or a class number a row" * (part == "label")
    if 0 in array.shape:
        return "there is nothing in it"
    return "" if array.shape[0] == rows else f"expected {rows} rows, as many as the others have"


def _scan(matrix: Array) -> tuple[int, int, int]:
    """How many values are no finite float32, the first row with one, and with one not 0 or 1."""
    bad = bad_row = other_row = 0
    for rows in blocks(matrix.shape[0]):
        block = matrix[rows]
        with np.errstate(over="ignore"):
            wrong = ~np.isfinite(block.astype(np.float32, copy=False))
        bad += int(wrong.sum())
        bad_row = bad_row or _first(rows, wrong)
        other_row = other_row or _first(rows, (block != 0) & (block != 1))
    return bad, bad_row, other_row


def _first(rows: NDArray[np.int64], marked: NDArray[np.bool]) -> int:
    """The first row, counted from 1, that has a mark; 0 if none has."""
    found = rows[marked.any(axis=1)]
    return int(found[0]) + 1 if found.size else 0


def _wrong_text(part: str, values: Sequence[str]) -> str:
    """What is wrong with the first string that is; empty if none is."""
    if part == "split":
        expected = "query, train, database or nothing"
        return next((f"has '{v}', expected {expected}" for v in values if v not in SETS), "")
    counts = Counter(values).items()
    return next(
        (f"has '{v}' more than once, expected once" for v, times in counts if times > 1), ""
    )
