"""The HDF5 files between stages, each under a contract that readers and writers check.

Bytes depend on the content alone: no timestamps, a full shape from the start, chunks of whole rows.

Shapes: `n` rows (items), `d` image features, `v` words of the vocabulary, `l` labels, `c` bits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from agch.errors import InputError
from agch.files import replacing

SCHEMA_VERSION = 1
CHUNK_BYTES = 1 << 18


class SchemaError(InputError):
    """A file that is not what its contract says."""


@dataclass(frozen=True)
class Contract:
    """What one HDF5 file holds: each dataset's dtype and dimensions, and the attributes.

    A dimension's letter stands for one length throughout the file. dtype `text` is UTF-8 in
    fixed-length bytes; `uint8|float32` is either. A dataset named in `optional` may be absent.
    """

    kind: str
    stage: str
    datasets: dict[str, tuple[str, str]]
    attributes: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


GIVEN = Contract(
    "given",
    "prepare",
    {"id": ("text", "n"), "image": ("float32", "nd"), "text": ("float32", "nv")},
    optional=("image", "text"),
)
FEATURES = Contract(
    "features",
    "extract",
    {
        "id": ("text", "n"),
        "image": ("float32", "nd"),
        "image_pool5": ("float16", "nk"),
        "text": ("uint8|float32", "nv"),
        "label": ("uint8", "nl"),
        "vocabulary": ("text", "v"),
        "label_name": ("text", "l"),
        "split": ("text", "n"),
    },
    ("source", "licence", "backbone", "weights_sha256", "text_encoder", "text_weights_sha256"),
    optional=("image_pool5", "vocabulary", "split"),
)
SPLIT = Contract(
    "split",
    "split",
    {
        "id": ("text", "n"),
        "label": ("uint8", "nl"),
        "query": ("int64", "q"),
        "database": ("int64", "b"),
        "train": ("int64", "t"),
        "validation": ("int64", "e"),
    },
)
CODES = Contract(
    "codes",
    "encode",
    {
        "id": ("text", "n"),
        "image": ("uint8", "np"),
        "text": ("uint8", "np"),
        "image_output": ("float32", "nc"),
        "text_output": ("float32", "nc"),
        "nested": ("int64", "s"),
    },
)


@contextmanager
def create(path: Path, contract: Contract, **attributes: str) -> Iterator[h5py.File]:
    """Create an HDF5 file under its contract; it is checked, then appears at `path` when complete.

    Fill it with `put` and `allocate`.

    Raises:
        SchemaError: What was written breaks the contract.
    """
    with replacing(path) as part:
        with h5py.File(part, "w") as file:
            file.attrs["schema"] = f"agch.{contract.kind}/{SCHEMA_VERSION}"
            for key in contract.attributes:
                file.attrs[key] = attributes[key]
            yield file
            _check(file, contract, str(path))


def allocate(file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> h5py.Dataset:
    """Create dataset `name` at full shape, to be filled by slices of rows.

    Its first axis may be cut afterwards (`resize`) where rows had to be skipped.
    """
    return file.create_dataset(
        name,
        shape,
        dtype,
        chunks=_chunks(shape, np.dtype(dtype).itemsize),
        maxshape=(None, *shape[1:]),
        track_times=False,
    )


def put(file: h5py.File, name: str, values: NDArray[Any] | Sequence[str]) -> None:
    """Write a whole dataset; a sequence of `str` becomes fixed-length UTF-8 bytes."""
    if not isinstance(values, np.ndarray):
        encoded = [value.encode() for value in values]
        values = np.array(encoded, dtype=f"S{max(map(len, encoded), default=1)}")
    file.create_dataset(name, data=values, track_times=False)


def strings(dataset: h5py.Dataset) -> list[str]:
    """Read a `text` dataset."""
    return [value.decode() for value in dataset[:]]


@contextmanager
def reading(path: Path, contract: Contract) -> Iterator[h5py.File]:
    """Open an HDF5 file read-only after checking it against its contract.

    Raises:
        SchemaError: The file is absent or no HDF5, or a dataset or attribute is missing or
            different; the message names file, dataset, what was found and what was expected.
    """
    if not path.is_file():
        raise SchemaError(f"{path} not found; make it with `dvc repro {contract.stage}`")
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise SchemaError(
            f"{path} is not a readable HDF5 file ({error}); "
            f"delete it and run `dvc repro {contract.stage}`"
        ) from None
    with file:
        _check(file, contract, str(path))
        yield file


def _check(file: h5py.File, contract: Contract, path: str) -> None:
    remedy = f"make it again with `dvc repro {contract.stage}`"
    schema = file.attrs.get("schema")
    wanted = f"agch.{contract.kind}/{SCHEMA_VERSION}"
    if schema != wanted:
        raise SchemaError(f"{path}: schema is {schema!r}, expected {wanted!r}; {remedy}")
    for key in contract.attributes:
        if key not in file.attrs:
            raise SchemaError(f"{path}: attribute '{key}' is missing; {remedy}")
    lengths: dict[str, int] = {}
    for name, (dtype, dims) in contract.datasets.items():
        if name in contract.optional and name not in file:
            continue
        found = _describe(file.get(name))
        wanted = f"{dtype} ({', '.join(f'{d}={lengths[d]}' if d in lengths else d for d in dims)})"
        if not _fits(file.get(name), dtype, dims, lengths):
            raise SchemaError(f"{path}: dataset '{name}' is {found}, expected {wanted}; {remedy}")


def _fits(node: object, dtype: str, dims: str, lengths: dict[str, int]) -> bool:
    """Whether the dataset has this dtype and shape; lengths seen for the first time are noted."""
    if not isinstance(node, h5py.Dataset) or node.ndim != len(dims):
        return False
    right_dtype = node.dtype.kind == "S" if dtype == "text" else node.dtype in dtype.split("|")
    return right_dtype and all(
        lengths.setdefault(dim, length) == length for dim, length in zip(dims, node.shape)
    )


def _describe(node: object) -> str:
    if not isinstance(node, h5py.Dataset):
        return "missing"
    kind = "text" if node.dtype.kind == "S" else str(node.dtype)
    return f"{kind} {node.shape}"


def _chunks(shape: tuple[int, ...], itemsize: int) -> tuple[int, ...]:
    row = max(1, itemsize * int(np.prod(shape[1:])))
    return (max(1, min(shape[0], CHUNK_BYTES // row)), *shape[1:])


def same_ids(first: h5py.File, second: h5py.File) -> None:
    """Check that two files speak of the same rows in the same order.

    Raises:
        SchemaError: They do not; names both files and the first difference.
    """
    a, b = strings(first["id"]), strings(second["id"])
    if a != b:
        row = next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), min(len(a), len(b)))
        raise SchemaError(
            f"{first.filename} ({len(a)} rows) and {second.filename} ({len(b)} rows) speak of "
            f"different items from row {row} on; run `dvc repro` to make both from one source"
        )
