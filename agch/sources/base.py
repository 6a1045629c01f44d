"""What every data source offers, and what it speaks of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from agch.errors import InputError
from agch.published_files import Remote


class SourceError(InputError):
    """A source that cannot be used: the message names the file, what was found and the remedy."""


@dataclass(frozen=True)
class Item:
    """What a source says of one picture.

    Attributes:
        id: unique in its source, the same in every run.
        title: as the source has it, may be empty.
        tags: the words that may enter the vocabulary, in source order, each once, may be empty.
        labels: sorted, each once.
        caption: the text as a sentence, may be empty; then the tags are all the text there is.
        split: "query", "train" or "database" where the source prescribes it, else empty.
    """

    id: str
    title: str
    tags: tuple[str, ...]
    labels: tuple[str, ...]
    caption: str = ""
    split: str = ""


class Rows(Protocol):
    """A matrix, one row per item of the source, of which a block is read at a time."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(n, d)."""

    def __getitem__(self, rows: NDArray[np.int64]) -> Any:
        """The rows at these ascending places, (len(rows), d)."""


class Source(ABC):
    """A data set that was found and can be read item by item.

    Args:
        path: its file or folder, opened for reading only. What can be checked without reading
            pictures is checked here.

    Attributes:
        name: what `data.source` knows it by.
        licence: of its pictures, in words.
        place: where it lies if no path is given; None: see `agch.sources.location`.
        yours: whether it is the user's own, so that a path has to be given.
        remotes: the files its owners publish, for a source that can be downloaded.
        vocabulary: the words in the order of the text's columns, where the source prescribes them;
            None: those that stand at enough items, in alphabetical order.
        label_names: the labels in order, where prescribed; None: all that occur, alphabetically.
        needs_words: whether an item without a word of the vocabulary is left out.
        unites_duplicates: whether items with the same picture, byte for byte, become one.
        published: what the literature counts in it, by the keys of `agch.dataset.Dataset.counts`,
            for a source that has to be what others used.

    Raises:
        SourceError: no such file, or content that the source rejects.
    """

    name: ClassVar[str]
    licence: ClassVar[str]
    place: ClassVar[Path | None] = None
    yours: ClassVar[bool] = False
    remotes: ClassVar[Sequence[Remote]] = ()
    vocabulary: Sequence[str] | None = None
    label_names: Sequence[str] | None = None
    needs_words: ClassVar[bool] = True
    unites_duplicates: ClassVar[bool] = False
    published: ClassVar[Mapping[str, int]] = {}

    @abstractmethod
    def __init__(self, path: Path) -> None: ...

    @abstractmethod
    def items(self) -> Iterator[Item]:
        """Yield the items in the source's own order; no picture is read.

        Raises:
            SourceError: something cannot be read.
        """

    def pictures(self, ids: Iterable[str]) -> Iterator[bytes]:
        """Yield the encoded pictures of these items as stored, one at a time.

        A source of ready-made features has none.

        Raises:
            SourceError: a picture cannot be read.
        """
        return iter(())

    def given(self) -> Mapping[str, Rows]:
        """Features that the source brings along, by modality (`image`, `text`), in items' order."""
        return {}
