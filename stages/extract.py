"""Image features of a frozen backbone, tag vectors and the label matrix, in one HDF5 file.

Reads   data/images.zip, data/manifest.jsonl, data/vocabulary.json
Writes  data/features.h5
Params  extract, runtime
Run     python -m stages.extract
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal
from zipfile import ZipFile

from h5py import Dataset
from pydantic import Field
from tqdm import tqdm

from agch import storage
from agch.backbones import BACKBONES, alexnet_pool5
from agch.features import Block, check_unreadable, extract, indicator
from agch.runtime import RuntimeParams, pin_runtime
from agch.schema import section
from stages import params

IMAGES = Path("data/images.zip")
MANIFEST = Path("data/manifest.jsonl")
VOCABULARY = Path("data/vocabulary.json")
FEATURES = Path("data/features.h5")


@section
class ExtractParams:
    """Section `extract`."""

    backbone: Literal["efficientnet_lite0", "alexnet"]
    weights: str | None
    pool5: bool
    batch: Annotated[int, Field(ge=1)]

    def __post_init__(self) -> None:
        """Only AlexNet has a pool5."""
        if self.pool5 and self.backbone != "alexnet":
            raise ValueError(f"pool5 needs backbone 'alexnet'; got '{self.backbone}'")


def main() -> None:
    """Run the backbone over all pictures; the rows of unreadable ones are left out."""
    settings = params.load("extract", ExtractParams)
    runtime = params.load("runtime", RuntimeParams)
    device = pin_runtime(runtime)
    make = alexnet_pool5 if settings.pool5 else BACKBONES[settings.backbone]
    backbone = make(Path(settings.weights) if settings.weights else None)
    entries = [json.loads(line) for line in MANIFEST.read_text(encoding="utf-8").splitlines()]
    names = json.loads(VOCABULARY.read_text(encoding="utf-8"))
    attributes = {
        "source": names["source"],
        "licence": names["licence"],
        "backbone": settings.backbone,
        "weights_sha256": backbone.weights_sha256,
    }
    with storage.create(FEATURES, storage.FEATURES, **attributes) as file:
        targets = [storage.allocate(file, "image", (len(entries), backbone.dim), "float32")]
        if backbone.pool5:
            shape = len(entries), backbone.pool5
            targets.append(storage.allocate(file, "image_pool5", shape, "float16"))
        blocks = extract(backbone, pictures(entries), settings.batch, device, runtime.threads)
        kept = fill(targets, blocks, entries)
        storage.put(file, "id", [entry["id"] for entry in kept])
        storage.put(file, "text", indicator([entry["tags"] for entry in kept], names["words"]))
        storage.put(file, "label", indicator([entry["labels"] for entry in kept], names["labels"]))
        storage.put(file, "vocabulary", names["words"])
        storage.put(file, "label_name", names["labels"])
    print(f"{len(kept)} rows of {backbone.dim} features by {settings.backbone} on {device}")


def fill(
    targets: list[Dataset], blocks: Iterable[Block], entries: list[dict[str, Any]]
) -> list[dict[str, Any]]:
    """Write the features of readable pictures row after row; returns the entries of these rows.

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
    return [entries[row] for row in kept]


def pictures(entries: list[dict[str, Any]]) -> Iterator[bytes]:
    """The encoded pictures in the manifest's order, read as they are asked for."""
    with ZipFile(IMAGES) as archive:
        for entry in tqdm(entries, "extract", unit="image", disable=None):
            yield archive.read(entry["id"])


if __name__ == "__main__":
    params.run(main)
