"""From what a source delivers to the items an experiment uses."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from agch.errors import InputError
from agch.sources import Item
from agch.text import vocabulary


@dataclass(frozen=True)
class Entry:
    """One item of the manifest: its id (also its name in the archive), words and labels."""

    id: str
    title: str
    tags: tuple[str, ...]
    labels: tuple[str, ...]


@dataclass(frozen=True)
class Dataset:
    """The items used, in source order; the columns of text and label matrix; what was left out."""

    entries: list[Entry]
    vocabulary: list[str]
    label_names: list[str]
    dropped: dict[str, int]


def assemble(items: Iterable[Item], min_items: int) -> Dataset:
    """Unite duplicates, build the vocabulary, drop items without text or label.

    Args:
        items: Read once, one at a time; pictures are hashed, not kept.
        min_items: A word enters the vocabulary if it stands at this many items or more.

    Raises:
        InputError: Nothing is left.
    """
    by_picture: dict[bytes, Entry] = {}
    total = 0
    for item in items:
        total += 1
        entry = Entry(item.id, item.title, item.tags, item.labels)
        digest = hashlib.sha256(item.image).digest()
        known = by_picture.get(digest)
        by_picture[digest] = unite(known, entry) if known else entry
    distinct = list(by_picture.values())
    labelled = [entry for entry in distinct if entry.labels]
    words = vocabulary((entry.tags for entry in labelled), min_items)
    known_words = set(words)
    cut = [replace(e, tags=tuple(t for t in e.tags if t in known_words)) for e in labelled]
    entries = [entry for entry in cut if entry.tags]
    if not entries:
        raise InputError(
            f"none of the {total} items has both a label and a word that stands at {min_items} or "
            "more items; lower data.min_items, or check the source's tags and labels"
        )
    dropped = {
        "duplicates of another picture (tags and labels united)": total - len(distinct),
        "items without a label": len(distinct) - len(labelled),
        "items without a word of the vocabulary": len(labelled) - len(entries),
    }
    names = sorted({label for entry in entries for label in entry.labels})
    return Dataset(entries, words, names, dropped)


def unite(first: Entry, second: Entry) -> Entry:
    """One entry for two identical pictures: the first's id and title, both's tags and labels."""
    tags = tuple(dict.fromkeys(first.tags + second.tags))
    return replace(first, tags=tags, labels=tuple(sorted({*first.labels, *second.labels})))
