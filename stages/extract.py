"""Image features of a frozen backbone, text vectors and the label matrix, in one HDF5 file.

Reads   data/images.zip, data/manifest.jsonl, data/vocabulary.json, data/given.h5
Writes  data/features.h5
Params  extract, runtime
Run     python -m stages.extract
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal
from zipfile import ZipFile

import torch
from h5py import File
from pydantic import Field
from tqdm import tqdm

from agch import storage
from agch.backbones import Backbone, check_backbone, open_backbone
from agch.feature_file import (
    allocate_images,
    check_ids,
    check_texts,
    copy_rows,
    encode_texts,
    fill,
    put_facts,
)
from agch.features import extract
from agch.manifest import Entry, read_manifest
from agch.runtime import RuntimeParams, pin_runtime
from agch.schema import section
from agch.text_encoders import TextEncoder, open_text_encoder
from stages import params

IMAGES = Path("data/images.zip")
MANIFEST = Path("data/manifest.jsonl")
VOCABULARY = Path("data/vocabulary.json")
GIVEN = Path("data/given.h5")
FEATURES = Path("data/features.h5")


@section
class ExtractParams:
    """Section `extract`."""

    backbone: str
    layer: str | None
    weights: str | None
    pool5: bool
    text_encoder: Literal["bow", "sentence"]
    text_model: str | None
    batch: Annotated[int, Field(ge=1)]

    @property
    def network(self) -> str:
        """The backbone, and its layer where one is named."""
        return " ".join(filter(None, [self.backbone, self.layer]))

    def __post_init__(self) -> None:
        """A choice that would be ignored is refused."""
        check_backbone(self.backbone, self.layer, self.pool5)
        if self.text_model is not None and self.text_encoder == "bow":
            raise ValueError(f"text_model needs text_encoder 'sentence'; got '{self.text_encoder}'")


def main() -> None:
    """Write the features of both modalities; rows of unreadable pictures are left out."""
    settings = params.load("extract", ExtractParams)
    runtime = params.load("runtime", RuntimeParams)
    device = pin_runtime(runtime)
    entries = read_manifest(MANIFEST)
    names = json.loads(VOCABULARY.read_text(encoding="utf-8"))
    with storage.reading(GIVEN, storage.GIVEN) as given:
        check_ids(given, entries)
        if settings.text_encoder == "sentence":
            check_texts(entries)
        image, text = open_encoders(settings, given, names["words"], device)
        attributes = {
            "source": names["source"],
            "licence": names["licence"],
            "backbone": settings.network if image else "given",
            "weights_sha256": image.weights_sha256 if image else "",
            "text_encoder": settings.text_encoder if text else "given",
            "text_weights_sha256": text.weights_sha256 if text else "",
        }
        with storage.create(FEATURES, storage.FEATURES, **attributes) as file:
            kept = list(range(len(entries)))
            if image:
                blocks = extract(image, pictures(entries), settings.batch, device, runtime.threads)
                kept = fill(allocate_images(file, len(entries), image), blocks, entries)
            else:
                copy_rows(given["image"], file, kept)
            entries = [entries[row] for row in kept]
            if text:
                encode_texts(file, entries, text)
            else:
                copy_rows(given["text"], file, kept)
            put_facts(file, entries, names["labels"])
            told = [f"{file[name].shape[1]} {name}" for name in ("image", "text")]
    print(
        f"{len(entries)} rows of {' and '.join(told)} features by {attributes['backbone']} and "
        f"{attributes['text_encoder']} on {device}"
    )


def open_encoders(
    settings: ExtractParams, given: File, words: list[str], device: torch.device
) -> tuple[Backbone | None, TextEncoder | None]:
    """What encodes pictures and text; None where the source brought the features along."""
    image = text = None
    if "image" not in given:
        weights = Path(settings.weights) if settings.weights else None
        image = open_backbone(settings.backbone, settings.layer, weights, settings.pool5)
    if "text" not in given or settings.text_encoder != "bow":
        model = Path(settings.text_model) if settings.text_model else None
        text = open_text_encoder(settings.text_encoder, model, words, device)
    return image, text


def pictures(entries: list[Entry]) -> Iterator[bytes]:
    """The encoded pictures in the manifest's order, read as they are asked for."""
    with ZipFile(IMAGES) as archive:
        for entry in tqdm(entries, "extract", unit="image", disable=None):
            yield archive.read(entry["id"])


if __name__ == "__main__":
    params.run(main)
