"""From what a source delivers to the items an experiment uses."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from agch.errors import InputError
from agch.sources.base import Item, Source
from agch.text import vocabulary


@dataclass(frozen=True)
class Dataset:
    """The items used and what they were chosen from.

    Attributes:
        items: in source order, their tags cut to the vocabulary.
        places: of each item among all that the source has.
        vocabulary: columns of the text. label_names: columns of the labels.
        dropped: number of items left out, by reason.
        counts: what the literature gives of a data set: `items` of the source, `words` of the
            vocabulary, `labels`, marks of words and of labels over all items, and `pairs` that
            are used.
    """

    items: list[Item]
    places: list[int]
    vocabulary: list[str]
    label_names: list[str]
    dropped: dict[str, int]
    counts: dict[str, int]


def assemble(source: Source, min_items: int, stop_words: Collection[str] = ()) -> Dataset:
    """Unite duplicates, build the vocabulary, drop items without text or label.

    Items without a label stay where no item has one. Words and labels that the source prescribes
    are taken as they are.

    Args:
        source: Read once; where duplicates count, its pictures are hashed one at a time.
        min_items: A word enters the vocabulary if it stands at this many items or more.
        stop_words: They never enter it.

    Raises:
        InputError: Nothing is left.
    """
    everything = list(source.items())
    distinct = _united(source, everything) if source.unites_duplicates else everything
    places = {item.id: place for place, item in enumerate(everything)}
    has_labels = any(item.labels for item in distinct)
    labelled = [item for item in distinct if item.labels or not has_labels]
    if source.vocabulary is None:
        stop = frozenset(stop_words)
        tags = ([tag for tag in item.tags if tag not in stop] for item in labelled)
        words = vocabulary(tags, min_items)
    else:
        words = list(source.vocabulary)
    known = frozenset(words)
    cut = [replace(item, tags=tuple(t for t in item.tags if t in known)) for item in labelled]
    needs_words = source.needs_words and "text" not in source.given()
    items = [item for item in cut if item.tags or not needs_words]
    if not items:
        raise InputError(_nothing_left(len(everything), has_labels, min_items))
    names = source.label_names or sorted({label for item in items for label in item.labels})
    counts = {
        "items": len(everything),
        "words": len(words),
        "labels": len(names),
        "word marks": sum(len(known & set(item.tags)) for item in everything),
        "label marks": sum(len(item.labels) for item in everything),
        "pairs": len(items),
    }
    dropped = {
        "duplicates of another picture (tags and labels united)": len(everything) - len(distinct),
        "items without a label": len(distinct) - len(labelled),
        "items without a word of the vocabulary": len(labelled) - len(items),
    }
    return Dataset(items, [places[i.id] for i in items], words, list(names), dropped, counts)


def check_counts(name: str, published: Mapping[str, int], found: Mapping[str, int]) -> None:
    """Compare a data set with what the literature counts in it.

    Raises:
        InputError: They differ; every difference with both numbers.
    """
    wrong = [
        f"  {key}: found {found[key]:,}, published {count:,}"
        for key, count in published.items()
        if found[key] != count
    ]
    if wrong:
        lines = "\n".join(wrong)
        raise InputError(
            f"this is not the {name} that others used:\n{lines}\n"
            "Get the original files; or, if the difference is meant, set data.counts=any"
        )


def _united(source: Source, items: list[Item]) -> list[Item]:
    """One item for each picture: the first's id and title, everybody's tags and labels."""
    by_picture: dict[bytes, Item] = {}
    for item, picture in zip(items, source.pictures(item.id for item in items), strict=True):
        digest = hashlib.sha256(picture).digest()
        known = by_picture.get(digest)
        by_picture[digest] = unite(known, item) if known else item
    return list(by_picture.values())


def unite(first: Item, second: Item) -> Item:
    """One item for two identical pictures.

    Raises:
        InputError: They stand in different parts of a prescribed split.
    """
    if first.split and second.split and first.split != second.split:
        raise InputError(
            f"{first.id} and {second.id} are the same picture, but their splits are "
            f"'{first.split}' and '{second.split}'; keep one of them, or give both one split"
        )
    return replace(
        first,
        tags=tuple(dict.fromkeys(first.tags + second.tags)),
        labels=tuple(sorted({*first.labels, *second.labels})),
        caption=first.caption or second.caption,
        split=first.split or second.split,
    )


def _nothing_left(total: int, has_labels: bool, min_items: int) -> str:
    asked = "both a label and a word" if has_labels else "a word"
    return (
        f"none of the {total} items has {asked} that stands at {min_items} or more items; lower "
        "data.min_items, or check the source's tags and labels"
    )
