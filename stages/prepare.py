"""Bring the data source into one shape: an archive of pictures and a manifest.

Reads   data/source.json (for the data source itself)
Writes  data/images.zip, data/manifest.jsonl, data/vocabulary.json, data/given.h5
Params  data
Run     python -m stages.prepare
"""

from __future__ import annotations

from pathlib import Path
from zipfile import ZIP_STORED, ZipFile, ZipInfo

import numpy as np
from tqdm import tqdm

from agch import storage
from agch.dataset import Dataset, assemble, check_counts
from agch.files import replacing, write_json
from agch.manifest import write_manifest
from agch.sources import DataParams, Source, open_source
from agch.text import stop_words
from stages import params

IMAGES = Path("data/images.zip")
MANIFEST = Path("data/manifest.jsonl")
VOCABULARY = Path("data/vocabulary.json")
GIVEN = Path("data/given.h5")
BLOCK = 1024


def main() -> None:
    """Open the source, choose its items, check the counts, write what is left."""
    settings = params.load("data", DataParams)
    source = open_source(settings)
    dataset = assemble(source, settings.min_items, stop_words(settings.stop_words))
    if settings.counts == "published":
        check_counts(source.name, source.published, dataset.counts)
    write_images(source, dataset)
    write_given(source, dataset)
    write_manifest(MANIFEST, map(vars, dataset.items))
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
    """Copy the pictures that are used, in order, with no timestamps; of given features none."""
    ids = [] if "image" in source.given() else [item.id for item in dataset.items]
    bar = tqdm(ids, "prepare", unit="image", disable=None)
    with replacing(IMAGES) as part, ZipFile(part, "w", ZIP_STORED) as archive:
        for name, picture in zip(bar, source.pictures(ids), strict=True):
            archive.writestr(ZipInfo(name), picture)


def write_given(source: Source, dataset: Dataset) -> None:
    """Copy the features that the source brings along, a block of rows at a time."""
    places = np.array(dataset.places)
    with storage.create(GIVEN, storage.GIVEN) as file:
        storage.put(file, "id", [item.id for item in dataset.items])
        for modality, rows in source.given().items():
            target = storage.allocate(file, modality, (len(places), rows.shape[1]), "float32")
            for start in range(0, len(places), BLOCK):
                target[start : start + BLOCK] = rows[places[start : start + BLOCK]]


def report(dataset: Dataset) -> None:
    """Say what came in and what was dropped, and why."""
    items = dataset.items
    words = sum(len(item.tags) for item in items) / len(items)
    labels = sum(len(item.labels) for item in items) / len(items)
    print(
        f"{len(items)} items, {len(dataset.vocabulary)} words, {len(dataset.label_names)} labels;"
        f" {words:.2f} words and {labels:.2f} labels an item"
    )
    for reason, count in dataset.dropped.items():
        print(f"  left out: {count} {reason}")


if __name__ == "__main__":
    params.run(main)
