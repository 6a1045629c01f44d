"""The search index of the database for the demo: codes, what is shown of each row; needs no torch.

Reads   data/images.zip, data/manifest.jsonl, data/features.h5, data/split.h5, data/codes.h5, models/agch.pt
Writes  data/index
Params  train
Run     python -m stages.index
"""  # noqa: E501 - the head is one line per kind

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from zipfile import ZipFile

from h5py import File
from tqdm import tqdm

from agch import storage
from agch.files import replacing, sha256
from agch.hyperparameters import TrainParams
from agch.index_folder import MODALITIES, Manifest, write_index
from agch.manifest import Entry, read_manifest
from agch.pictures import thumbnail
from stages import params

IMAGES = Path("data/images.zip")
MANIFEST = Path("data/manifest.jsonl")
FEATURES = Path("data/features.h5")
SPLIT = Path("data/split.h5")
CODES = Path("data/codes.h5")
MODEL = Path("models/agch.pt")
INDEX = Path("data/index")
SIDE = 160
SAMPLES = 12
SAMPLE_WORDS = 3


def main() -> None:
    """Gather what is known of the rows of the database, in their order."""
    train = params.load("train", TrainParams)
    entries = {entry["id"]: entry for entry in read_manifest(MANIFEST)}
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.reading(SPLIT, storage.SPLIT) as split,
        storage.reading(CODES, storage.CODES) as codes,
    ):
        storage.same_ids(codes, split)
        storage.same_ids(codes, features)
        ids, database = storage.strings(codes["id"]), split["database"][:]
        rows = [entries[ids[row]] for row in database]
        queries = (entries[ids[row]] for row in split["query"])
        names = [*MODALITIES, *(f"{name}_output" for name in MODALITIES)]
        arrays = {name: codes[name][:][database] for name in names}
        arrays["label"] = split["label"][:][database]
        words = "vocabulary" in features
        vocabulary = storage.strings(features["vocabulary"]) if words else []
        manifest = describe(train, features, codes, len(rows), queries)
    with replacing(INDEX) as part:
        shown = map(item, rows)
        write_index(part, manifest, arrays, vocabulary, shown, thumbnails(rows))
    print(f"{INDEX}: {len(rows)} rows of {manifest.bits} bits")


def describe(
    train: TrainParams, features: File, codes: File, rows: int, queries: Iterable[Entry]
) -> Manifest:
    """Which run the index is of."""
    attributes = {name: str(features.attrs[name]) for name in storage.FEATURES.attributes}
    return Manifest(
        model=train.name,
        bits=codes["image_output"].shape[1],
        nested=codes["nested"][:].tolist(),
        rows=rows,
        **attributes,
        model_sha256=sha256(MODEL),
        codes_sha256=sha256(CODES),
        thumbnail_side=SIDE,
        samples=samples(queries) if attributes["text_encoder"] != "given" else [],
    )


def samples(queries: Iterable[Entry]) -> list[str]:
    """The first words of some queries, which the database does not have."""
    texts = (", ".join(entry["tags"][:SAMPLE_WORDS]) or entry["caption"] for entry in queries)
    return list(dict.fromkeys(filter(None, texts)))[:SAMPLES]


def item(entry: Entry) -> dict[str, str | list[str]]:
    """What is shown of an item beside its picture."""
    title = entry["title"] or entry["caption"][:80] or entry["id"]
    return {"id": entry["id"], "title": title, "words": entry["tags"]}


def thumbnails(entries: list[Entry]) -> Iterator[bytes]:
    """A small picture of each item; nothing where features were given in place of pictures."""
    with ZipFile(IMAGES) as archive:
        names = frozenset(archive.namelist())
        for entry in tqdm(entries, "index", unit="image", disable=None):
            there = entry["id"] in names
            yield thumbnail(archive.read(entry["id"]), SIDE) if there else b""


if __name__ == "__main__":
    params.run(main)
