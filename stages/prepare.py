"""Bring the data source into one shape: an archive of pictures and a manifest.

Reads   the archive at data.path
Writes  data/images.zip, data/manifest.jsonl, data/vocabulary.json
Params  data
Run     python -m stages.prepare
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from pydantic import Field

from agch.dataset import Dataset, Entry, assemble
from agch.files import replacing, write_json
from agch.schema import section
from agch.sources import Source, open_source
from stages import params

IMAGES = Path("data/images.zip")
MANIFEST = Path("data/manifest.jsonl")
VOCABULARY = Path("data/vocabulary.json")


@section
class DataParams:
    """Section `data`."""

    source: Literal["openclipart", "openmoji"]
    path: str
    sha256: str | None
    min_items: Annotated[int, Field(ge=1)]


def main() -> None:
    """Open the source, unite duplicates, apply the vocabulary, write what is left."""
    settings = params.load("data", DataParams)
    source = open_source(settings.source, Path(settings.path), settings.sha256)
    dataset = assemble(source.items(), settings.min_items)
    write_images(source, dataset)
    write_manifest(dataset)
    write_json(
        VOCABULARY,
        {
            "source": source.name,
            "licence": source.licence,
            "words": dataset.vocabulary,
            "labels": dataset.label_names,
        },
    )
    report(dataset)


def write_images(source: Source, dataset: Dataset) -> None:
    """Copy the pictures that are used, in order, with no timestamps."""
    used = {entry.id for entry in dataset.entries}
    with replacing(IMAGES) as part, ZipFile(part, "w", ZIP_STORED) as archive:
        for item in source.items():
            if item.id in used:
                archive.writestr(ZipInfo(item.id), item.image)


def write_manifest(dataset: Dataset) -> None:
    """One item a line."""
    with replacing(MANIFEST) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for entry in dataset.entries:
            file.write(json.dumps(vars(entry), ensure_ascii=False) + "\n")


def report(dataset: Dataset) -> None:
    """Say what came in and what was dropped, and why."""
    entries: list[Entry] = dataset.entries
    words = sum(len(entry.tags) for entry in entries) / len(entries)
    labels = sum(len(entry.labels) for entry in entries) / len(entries)
    print(
        f"{len(entries)} items, {len(dataset.vocabulary)} words, {len(dataset.label_names)} labels;"
        f" {words:.2f} words and {labels:.2f} labels an item"
    )
    for reason, count in dataset.dropped.items():
        print(f"  left out: {count} {reason}")


if __name__ == "__main__":
    params.run(main)
