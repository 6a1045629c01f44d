"""Writing `data/features.h5` row by row: what is computed, or what a source brought along."""

from __future__ import annotations

from collections.abc import Iterable

from h5py import Dataset, File
from tqdm import tqdm

from agch import storage
from agch.backbones import Backbone
from agch.errors import InputError
from agch.features import Block, check_unreadable, indicator
from agch.manifest import Entry
from agch.text_encoders import TextEncoder

ROWS = 1024
Entries = list[Entry]


def check_ids(given: File, entries: Entries) -> None:
    """Check that data/given.h5 and the manifest speak of the same items in the same order.

    Raises:
        InputError: They do not.
    """
    if storage.strings(given["id"]) != [entry["id"] for entry in entries]:
        raise InputError(
            f"{given.filename} and the manifest speak of different items; make both again with "
            "`dvc repro prepare`"
        )


def check_texts(entries: Entries) -> None:
    """Check that there is something to embed.

    Raises:
        InputError: No item has a caption or a tag.
    """
    if not any(entry["caption"] or entry["tags"] for entry in entries):
        raise InputError(
            "extract.text_encoder is 'sentence', but no item has a caption or a tag: the source "
            "gives features of its texts and not the texts; use bow, which takes them"
        )


def allocate_images(file: File, count: int, backbone: Backbone) -> list[Dataset]:
    """The datasets that a block's columns go to, in their order."""
    targets = [storage.allocate(file, "image", (count, backbone.dim), "float32")]
    if backbone.pool5:
        shape = count, backbone.pool5
        targets.append(storage.allocate(file, "image_pool5", shape, "float16"))
    return targets


def fill(targets: list[Dataset], blocks: Iterable[Block], entries: Entries) -> list[int]:
    """Write the features of readable pictures row after row; returns the places of these entries.

    The first dataset takes the first columns of a block, the next one those that follow.
    """
    kept: list[int] = []
    unreadable: dict[str, str] = {}
    for block in blocks:
        column = 0
        for target in targets:
            end = column + target.shape[1]
            target[len(kept) : len(kept) + len(block.rows)] = block.features[:, column:end]
            column = end
        kept += block.rows
        unreadable |= {entries[row]["id"]: reason for row, reason in block.unreadable.items()}
    check_unreadable(unreadable, len(entries))
    for target in targets if unreadable else ():
        target.resize(len(kept), axis=0)
    return kept


def copy_rows(rows: Dataset, file: File, kept: list[int]) -> None:
    """Copy the rows of given features, a block at a time."""
    name = rows.name.lstrip("/")
    target = storage.allocate(file, name, (len(kept), rows.shape[1]), "float32")
    for start in range(0, len(kept), ROWS):
        target[start : start + ROWS] = rows[kept[start : start + ROWS]]


def encode_texts(file: File, entries: Entries, encoder: TextEncoder) -> None:
    """Write the text vectors, and the vocabulary of a bag of words."""
    target = storage.allocate(file, "text", (len(entries), encoder.dim), encoder.dtype)
    for start in tqdm(range(0, len(entries), ROWS), "text", unit="block", disable=None):
        target[start : start + ROWS] = encoder.encode(entries[start : start + ROWS])
    if encoder.vocabulary is not None:
        storage.put(file, "vocabulary", encoder.vocabulary)


def put_facts(file: File, entries: Entries, labels: list[str]) -> None:
    """Write what is known of each row: id, labels, and the split where the source prescribes it."""
    storage.put(file, "id", [entry["id"] for entry in entries])
    storage.put(file, "label", indicator([entry["labels"] for entry in entries], labels))
    storage.put(file, "label_name", labels)
    if any(entry["split"] for entry in entries):
        storage.put(file, "split", [entry["split"] for entry in entries])
