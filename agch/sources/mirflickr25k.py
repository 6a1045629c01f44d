"""MIRFlickr-25K: photographs of Flickr with their tags, and 24 topics assigned by hand.

Huiskes and Lew, The MIR Flickr Retrieval Evaluation (2008). What the literature counts in it is
what `agch.dataset.assemble` keeps: the photographs with a tag of the vocabulary and a label.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from agch.published_files import Remote
from agch.sources.base import Item, Source
from agch.sources.tree import Tree

SITE = "https://press.liacs.nl/mirflickr/mirflickr25k.v3b"
COMMON_TAGS = "mirflickr/doc/common_tags.txt"
LABELS = (
    *("animals", "baby", "bird", "car", "clouds", "dog", "female", "flower", "food", "indoor"),
    *("lake", "male", "night", "people", "plant_life", "portrait", "river", "sea", "sky"),
    *("structures", "sunset", "transport", "tree", "water"),
)
REMEDY = "use the archive as its owners publish it; if you delete it, `dvc repro` downloads it anew"


class MIRFlickr25K(Source):
    """The two archives of the owners, side by side in a folder.

    The vocabulary are the tags that at least 20 photographs have, as the archive lists them. The
    labels are those that may apply (`sky`), not those that do so strikingly (`sky_r1`).
    """

    name = "mirflickr25k"
    licence = (
        "photographs: the Creative Commons licence that each author chose (listed in the archive); "
        "annotations: for research"
    )
    remotes = (
        Remote(
            url=f"{SITE}/mirflickr25k.zip",
            name="mirflickr25k.zip",
            size=3_069_184_257,
            digest="md5:a23d0a8564ee84cda5622a6c2f947785",
            licence="Creative Commons, each author's choice, listed in the archive",
        ),
        Remote(
            url=f"{SITE}/mirflickr25k_annotations_v080.zip",
            name="mirflickr25k_annotations_v080.zip",
            size=207_220,
            digest=None,
            licence="for research",
        ),
    )
    label_names = LABELS
    published = {
        "items": 25_000,
        "words": 1386,
        "labels": 24,
        "label marks": 92_902,
        "word marks": 94_281,
        "pairs": 20_015,
    }

    def __init__(self, path: Path) -> None:
        self._photos, annotations = (Tree(path / remote.name, REMEDY) for remote in self.remotes)
        count = sum(bool(re.fullmatch(r"mirflickr/im\d+\.jpg", name)) for name in self._photos)
        numbers = range(1, max(count, 1) + 1)  # of no photograph at all, the first one is missing
        self._photos.require([_photo(number) for number in numbers])
        self._photos.require([_tags(number) for number in numbers])
        self.vocabulary = self._photos.names(COMMON_TAGS, lambda line: line.split()[0])
        self._labels = _read_labels(annotations, count)

    def items(self) -> Iterator[Item]:
        """The photographs by number, `im1` first, with all their tags; see `Source.items`."""
        for number, labels in enumerate(self._labels, start=1):
            tags = dict.fromkeys(tag for _, tag in self._photos.entries(_tags(number)))
            yield Item(id=f"im{number}", title="", tags=tuple(tags), labels=tuple(labels))

    def pictures(self, ids: Iterable[str]) -> Iterator[bytes]:
        """See `Source.pictures`."""
        return (self._photos.read(f"mirflickr/{each}.jpg") for each in ids)


def _photo(number: int) -> str:
    return f"mirflickr/im{number}.jpg"


def _tags(number: int) -> str:
    return f"mirflickr/meta/tags/tags{number}.txt"


def _read_labels(annotations: Tree, count: int) -> list[list[str]]:
    """Labels of each of `count` photographs, from files that list the photographs of each label."""
    stems = {Path(name).stem for name in annotations if name.endswith(".txt")}
    found = {stem for stem in stems if stem != "README" and not stem.endswith("_r1")}
    if found != set(LABELS):
        missing = ", ".join(sorted(set(LABELS) - found)) or "none"
        surplus = ", ".join(sorted(found - set(LABELS))) or "none"
        told = f"expected a file for each of {len(LABELS)} labels; missing: {missing}"
        raise annotations.fault(f"{told}; unexpected: {surplus}")
    labels: list[list[str]] = [[] for _ in range(count)]
    for label in LABELS:
        lines = annotations.entries(annotations.find(f"{label}.txt"))
        for number in {annotations.ordinal(place, line, count) for place, line in lines}:
            labels[number - 1].append(label)
    return labels
