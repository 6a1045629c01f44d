"""NUS-WIDE with its ten most frequent concepts: photographs of Flickr, their tags and concepts.

Chua et al., NUS-WIDE: A Real-World Web Image Database from National University of Singapore (2009).
The literature on hashing keeps the photographs that have one of the ten concepts, with or without
a tag.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import compress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agch.sources.base import Item, Source
from agch.sources.tree import Tree

FREQUENT = 10
FLAGS = {"0", "1"}
REMEDY = (
    "put the files that the owners publish (image list, concepts, ground truth, tags) and the "
    "pictures, which they give on request, into one folder, as archives or unpacked"
)


class NUSWide(Source):
    """The archives of the owners, or what is in them, in one folder; only the tags' table is large.

    That table, 540 MB of text, is read line by line whenever the items are.
    """

    name = "nuswide"
    licence = (
        "photographs: their authors' on Flickr; lists, tags and concepts: for research and "
        "education, not for commerce"
    )
    needs_words = False
    published = {"items": 269_648, "words": 1000, "labels": 10, "pairs": 186_577}

    def __init__(self, path: Path) -> None:
        self._tree = tree = Tree(path, REMEDY)
        self._list = tree.find("Imagelist.txt")
        self._table = tree.find("AllTags1k.txt")
        self._ids = tree.names(self._list, lambda line: line.replace("\\", "/"))
        self._root = _picture_folder(tree, self._ids)
        self.vocabulary: list[str] = tree.names(tree.find("TagList1k.txt"))
        concepts = {name: self._marks(name) for name in tree.names(tree.find("Concepts81.txt"))}
        counts = {name: int(marks.sum()) for name, marks in concepts.items()}
        frequent = sorted(concepts, key=lambda name: (-counts[name], name))[:FREQUENT]
        self.label_names: list[str] = sorted(frequent)
        self._labels = np.stack([concepts[name] for name in self.label_names], axis=1)

    def items(self) -> Iterator[Item]:
        """The photographs in the order of the image list; see `Source.items`."""
        for tags, name, marks in zip(self._tags(), self._ids, self._labels):
            yield Item(name, title="", tags=tags, labels=tuple(compress(self.label_names, marks)))

    def pictures(self, ids: Iterable[str]) -> Iterator[bytes]:
        """See `Source.pictures`."""
        return (self._tree.read(self._root + each) for each in ids)

    def _marks(self, concept: str) -> NDArray[np.bool_]:
        """(n,) whether each photograph has the concept."""
        name = self._tree.find(f"AllLabels/Labels_{concept}.txt")
        flags = [line for line in self._tree.lines(name) if line]
        if not FLAGS.issuperset(flags):
            entries = self._tree.entries(name)
            place, line = next(entry for entry in entries if entry[1] not in FLAGS)
            raise self._tree.fault(f"{place}: found '{line[:40]}', expected 0 or 1")
        self._check_length(name, len(flags))
        marks: NDArray[np.bool_] = np.array(flags) == "1"
        return marks

    def _tags(self) -> Iterator[tuple[str, ...]]:
        """The tags of each photograph, from a line of 0 and 1 for each."""
        lines = 0
        for lines, (place, line) in enumerate(self._tree.entries(self._table), start=1):
            flags = line.split()
            if len(flags) != len(self.vocabulary) or not FLAGS.issuperset(flags):
                told = f"{place}: expected {len(self.vocabulary):,} times 0 or 1"
                raise self._tree.fault(f"{told}, found {len(flags):,} fields: {line[:40]}")
            if lines <= len(self._ids):
                yield tuple(compress(self.vocabulary, map("1".__eq__, flags)))
        self._check_length(self._table, lines)

    def _check_length(self, name: str, lines: int) -> None:
        if lines != len(self._ids):
            told = f"{name} has {lines:,} lines, {self._list} {len(self._ids):,}"
            raise self._tree.fault(f"{told}, expected a line for each picture")


def _picture_folder(tree: Tree, names: list[str]) -> str:
    """What stands before the names of the list in the tree: `Flickr/`, `images/` or what it is."""
    found = next((name for name in names if tree.called(name)), None)
    root = tree.find(found).removesuffix(found) if found else "Flickr/"
    tree.require([root + name for name in names])
    return root
