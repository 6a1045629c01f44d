"""Ready-made features instead of pictures, such as others publish them.

A file or folder (see `agch.arrays`) with one matrix each of image features, of text and, where they
are known, of labels, recognised by their names (see `agch.sources.feature_arrays`); our own
features.h5 is one, too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agch.arrays import Array
from agch.errors import InputError
from agch.sources.base import Item, Rows, Source, SourceError
from agch.sources.feature_arrays import FeatureArrays, blocks, numbered


class Features(Source):
    """Features that somebody computed.

    Text of 0 and 1 is taken for tags, any other for features of the text. Labels are a 0/1 matrix,
    or one whole number a row. Texts may give the ids of the rows, the vocabulary (words of the
    text's columns), the names of the labels, and the split (query, train or database, by row); what
    is not given is numbered from 1.

    Raises:
        SourceError: An array is not found or cannot be used; lists all that is wrong.
    """

    name = "features"
    licence = "of whoever made the features"
    yours = True
    needs_words = False

    def __init__(self, path: Path) -> None:
        try:
            found = FeatureArrays(path)
            self._take(found)
        except InputError as error:
            raise SourceError(str(error)) from None
        if found.problems:
            listed = "".join(f"\n  {problem}" for problem in found.problems)
            raise SourceError(f"{path} cannot be used; mend its arrays:{listed}")

    def _take(self, found: FeatureArrays) -> None:
        are_marks = {
            part: found.check(part) for part in ("image", "text", "label") if part in found.arrays
        }
        words, names = found.texts("vocabulary"), found.texts("label_name")
        self._arrays = found.arrays
        self._ids = found.texts("id") or numbered("row", found.rows)
        self._sets = found.texts("split") or [""] * len(self._ids)
        self._given = ("image",) if are_marks["text"] else ("image", "text")
        self._names = {
            "text": (words or numbered("word", found.columns("text"))) if are_marks["text"] else [],
            "label": names or found.label_names(),
        }
        self.vocabulary, self.label_names = self._names["text"], self._names["label"]

    def items(self) -> Iterator[Item]:
        """The rows in order, without titles; a block of text and of labels is read at a time."""
        for rows in blocks(len(self._ids)):
            marked = zip(rows, self._marked("text", rows), self._marked("label", rows), strict=True)
            for row, tags, labels in marked:
                yield Item(self._ids[row], "", tags, tuple(sorted(labels)), split=self._sets[row])

    def given(self) -> Mapping[str, Rows]:
        """The image features, and the text unless it is tags."""
        return {part: Floats(self._arrays[part]) for part in self._given}

    def _marked(self, part: str, rows: NDArray[np.int64]) -> list[tuple[str, ...]]:
        """The names of the columns in which each of these rows has a 1."""
        names = self._names[part]
        if not names:
            return [()] * len(rows)
        return [tuple(names[c] for c in np.flatnonzero(row)) for row in self._arrays[part][rows]]


class Floats:
    """The rows of a matrix as float32, read when they are asked for."""

    def __init__(self, array: Array) -> None:
        self._array, self.shape = array, array.shape

    def __getitem__(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """See `agch.sources.base.Rows`."""
        return np.asarray(self._array[rows], np.float32)
