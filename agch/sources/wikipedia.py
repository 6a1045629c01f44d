"""Wikipedia: sections of featured articles, each with its picture, in ten categories.

Rasiwasia et al., A New Approach to Cross-Modal Multimedia Retrieval (2010). The topic features
(LDA) that the owners computed of the texts are given, and the split is theirs.
"""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from agch.sources.base import Item, Rows, Source
from agch.sources.tree import Tree
from agch.text import words

LISTS = {"train": "trainset_txt_img_cat.list", "query": "testset_txt_img_cat.list"}
TOPICS = {"train": "T_tr", "query": "T_te"}
REMEDY = (
    "use wikipedia_dataset.zip as its owners publish it (svcl.ucsd.edu/projects/crossmodal), "
    "or all that is in it"
)


class Record(NamedTuple):
    """One line of a list: the files in the tree, and where the item belongs."""

    text: str
    image: str
    category: str
    split: str


class Wikipedia(Source):
    """The archive of the owners, the folder where it lies, or its content in a folder."""

    name = "wikipedia"
    licence = "texts: CC BY-SA, authors of Wikipedia; pictures: each its own (Wikimedia Commons)"
    published = {"items": 2866, "labels": 10, "pairs": 2866}

    def __init__(self, path: Path) -> None:
        self._tree = Tree(path, REMEDY)
        self.label_names: list[str] = self._tree.names(self._tree.find("categories.list"))
        self._records = _read_lists(self._tree, self.label_names)
        self._tree.require([record.image for record in self._records.values()])
        self._tree.require([record.text for record in self._records.values()])
        counts = Counter(record.split for record in self._records.values())
        self._topics = _read_topics(self._tree, counts)

    def items(self) -> Iterator[Item]:
        """The items of the training list, then those of the test list, which are the queries.

        Their tags are the words of their texts. A text whose XML is broken is empty.
        """
        for name, record in self._records.items():
            title, text = _read_text(self._tree.read(record.text))
            tags = tuple(dict.fromkeys(words(text)))
            yield Item(name, title, tags, (record.category,), caption=text, split=record.split)

    def pictures(self, ids: Iterable[str]) -> Iterator[bytes]:
        """See `Source.pictures`."""
        return (self._tree.read(self._records[each].image) for each in ids)

    def given(self) -> Mapping[str, Rows]:
        """The topics of each text, (n, 10)."""
        return {"text": self._topics}


def _read_lists(tree: Tree, categories: Sequence[str]) -> dict[str, Record]:
    """The records by id, which is the text's and the image's: TEXT/IMAGE."""
    records: dict[str, Record] = {}
    for split, file in LISTS.items():
        name = tree.find(file)
        root = name.removesuffix(file)
        for place, line in tree.entries(name):
            if len(fields := line.split()) != 3:
                raise tree.fault(f"{place}: found '{line[:80]}', expected text, image, category")
            text, image, number = fields
            category = categories[tree.ordinal(place, number, len(categories)) - 1]
            if f"{text}/{image}" in records:
                raise tree.fault(f"{place}: text and image are in an earlier line, expected once")
            records[f"{text}/{image}"] = Record(
                f"{root}texts/{text}.xml", f"{root}images/{category}/{image}.jpg", category, split
            )
    return records


def _read_topics(tree: Tree, counts: Mapping[str, int]) -> NDArray[np.float32]:
    """(n, d) topics of the texts: the matrices of the splits, one below the other.

    Args:
        counts: number of items in each split.
    """
    name = tree.find("raw_features.mat")
    topics = _load(tree, name)
    for split, block in topics.items():
        if len(block) != counts[split]:
            told = f"{name}: {TOPICS[split]} has {len(block):,} rows, {LISTS[split]} has"
            raise tree.fault(f"{told} {counts[split]:,} lines; expected a row for each line")
    found = {block.shape[1] for block in topics.values()}
    if len(found) > 1 or not all(np.isfinite(block).all() for block in topics.values()):
        told = f"finite numbers in equally many columns, found {sorted(found)} columns"
        raise tree.fault(f"{name}: expected {told} in {' and '.join(TOPICS.values())}")
    return np.concatenate(list(topics.values()))


def _load(tree: Tree, name: str) -> dict[str, NDArray[np.float32]]:
    from scipy.io import loadmat  # slow to import

    file = io.BytesIO(tree.read(name))
    try:
        found = loadmat(file, variable_names=list(TOPICS.values()))
        return {split: np.array(found[key], np.float32, ndmin=2) for split, key in TOPICS.items()}
    except Exception as error:  # damaged bytes surface as many types
        wanted = " and ".join(TOPICS.values())
        raise tree.fault(f"{name}: cannot read {wanted} ({error!r})") from error


def _read_text(data: bytes) -> tuple[str, str]:
    """Title and plain text of a section; both empty if the XML is broken."""
    try:
        document = ElementTree.fromstring(data)
    except (ElementTree.ParseError, ValueError, LookupError):
        return "", ""
    runs = (run for text in document.iter("text") for run in text.itertext())
    return document.get("name", ""), " ".join(" ".join(runs).split())
