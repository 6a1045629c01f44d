"""The search index of a run: a folder with the codes of the database and what is shown of each row.

manifest.json            which run it is of (`Manifest`)
image.npy, text.npy      (n, c / 8) packed codes, row i being row i of the database
image_output.npy, text_output.npy   (n, c) float32, before the sign
label.npy                (n, l) uint8
vocabulary.json          the words that can be searched for
items.jsonl, items.npy   id, title and words of each row; `agch.blobs`
thumbnails.bin, thumbnails.npy      a JPEG of each row, empty where there is no picture; likewise

The bytes depend on the content alone. Large files are mapped and read as needed, never whole.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sized
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agch.blobs import Blobs, write_blobs
from agch.errors import InputError
from agch.files import sha256, write_json

SCHEMA = "agch.index/1"
MODALITIES = ("image", "text")
REMEDY = "make it again with `dvc repro index`"


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What an index is of.

    Attributes:
        model: Name of the method. bits: code length. nested: lengths that prefixes serve, if any.
        rows: Number of rows of the database.
        source, licence: Of the data.
        backbone, text_encoder: What the features are of, as in the attributes of features.h5,
            with the digests of their weights.
        model_sha256, codes_sha256: Digests of models/agch.pt and data/codes.h5.
        thumbnail_side: Pixels of the longer side, at most.
        samples: Queries in words, of items that are not in the database.
    """

    schema: str = SCHEMA
    model: str
    bits: int
    nested: list[int]
    rows: int
    source: str
    licence: str
    backbone: str
    weights_sha256: str
    text_encoder: str
    text_weights_sha256: str
    model_sha256: str
    codes_sha256: str
    thumbnail_side: int
    samples: list[str]


def write_index(
    folder: Path,
    manifest: Manifest,
    arrays: Mapping[str, NDArray[Any]],
    vocabulary: list[str],
    items: Iterable[Mapping[str, Any]],
    thumbnails: Iterable[bytes],
) -> None:
    """Write an index into `folder`.

    Args:
        arrays: By the name of their file.
        items, thumbnails: Of each row.
    """
    folder.mkdir()
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
    write_json(folder / "vocabulary.json", {"words": vocabulary})
    lines = (json.dumps(item, ensure_ascii=False) + "\n" for item in items)
    write_blobs(folder / "items.jsonl", (line.encode() for line in lines))
    write_blobs(folder / "thumbnails.bin", thumbnails)
    write_json(folder / "manifest.json", asdict(manifest))


class IndexFolder:
    """An index that `write_index` wrote.

    Attributes:
        codes, outputs: By modality.
        label: (n, l).
        vocabulary: The words that can be searched for; none where the text is not a bag of words.
        thumbnails: JPEG of each row, or empty.

    Raises:
        InputError: It is not there, of another version or damaged; the message says what to do.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"{folder} not found; make it with `dvc repro index`")
        try:
            self._open(folder)
        except (OSError, ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
            raise InputError(f"{folder} cannot be used ({error}); {REMEDY}") from None

    def _open(self, folder: Path) -> None:
        self.path, self.manifest = folder, _manifest(folder / "manifest.json")
        self.codes = {name: _array(folder / f"{name}.npy") for name in MODALITIES}
        self.outputs = {name: _array(folder / f"{name}_output.npy") for name in MODALITIES}
        self.label = _array(folder / "label.npy")
        told = json.loads((folder / "vocabulary.json").read_text(encoding="utf-8"))
        self.vocabulary: list[str] = told["words"]
        self._items = Blobs(folder / "items.jsonl")
        self.thumbnails = Blobs(folder / "thumbnails.bin")
        arrays = *self.codes.values(), *self.outputs.values(), self.label
        parts: list[Sized] = [*arrays, self._items, self.thumbnails]
        for part in parts:
            if len(part) != self.manifest.rows:
                raise ValueError(f"found {len(part)} rows, expected {self.manifest.rows}")

    def item(self, row: int) -> dict[str, Any]:
        """Id, title and words of a row."""
        found: dict[str, Any] = json.loads(self._items[row])
        return found

    def check_model(self, model: Path) -> None:
        """Check that the index is of this model file.

        Raises:
            InputError: The file is another one, or is not there.
        """
        if not model.is_file():
            raise InputError(f"{model} not found; make it with `dvc repro train`")
        found, wanted = sha256(model), self.manifest.model_sha256
        if found != wanted:
            raise InputError(
                f"{self.path} is of the model {wanted[:12]}, but {model} is {found[:12]}; {REMEDY}"
            )


def _manifest(path: Path) -> Manifest:
    told = json.loads(path.read_text(encoding="utf-8"))
    if told.get("schema") != SCHEMA:
        raise ValueError(f"its schema is {told.get('schema')!r}, expected {SCHEMA!r}")
    return Manifest(**told)


def _array(path: Path) -> NDArray[Any]:
    array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return array
