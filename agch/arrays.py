"""Named arrays in files: .npz of NumPy, .mat of MATLAB (any version), HDF5.

Whatever the format, the first axis counts rows, and what may be large is read by blocks of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZipFile

import h5py
import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic
from numpy.typing import NDArray

from agch.errors import InputError
from agch.matlab73 import turned


class Array(Protocol):
    """An array of which nothing but shape and dtype is known until rows are asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Rows first."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """As in the file."""

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> Any:
        """The rows at these ascending places, or of this slice, as an array of NumPy."""


def open_arrays(path: Path) -> dict[str, Array]:
    """The arrays at `path` by name, in the order of the file.

    .npz: an array is loaded when its rows are first asked for, and kept. .mat up to version 7:
    loaded at once, sparse matrices become dense. .mat of version 7.3, .h5 and .hdf5: read from the
    file, which stays open, row by row; groups, which hold structs and sparse matrices there, are
    left out. So are single values outside of MATLAB.

    Args:
        path: One file, or a folder: then the arrays of all such files directly in it.

    Raises:
        InputError: There is no such file, it is damaged or of another kind, or a name stands in
            two files of the folder. Damage of rows is noticed when they are read.
    """
    if not path.is_dir():
        return _open_file(path)
    files = sorted(f for f in path.iterdir() if f.suffix in OPEN and not f.name.startswith("."))
    if not files:
        raise InputError(f"{path} has no file of arrays; expected {', '.join(OPEN)}")
    arrays: dict[str, Array] = {}
    home: dict[str, str] = {}
    for file in files:
        for name, array in _open_file(file).items():
            if name in arrays:
                raise InputError(
                    f"{path}: {home[name]} and {file.name} both have an array '{name}'; "
                    "take one of the files out of the folder, or rename the array"
                )
            arrays[name], home[name] = array, file.name
    return arrays


def describe(array: Array) -> str:
    """What an array holds, for messages."""
    return f"{array.dtype} of shape {array.shape}"


def texts(array: Array) -> list[str]:
    """An array of strings, flat; blanks at their ends, with which MATLAB fills up, are cut off.

    Raises:
        InputError: It holds something else; says what, and not where.
    """
    if array.dtype.kind not in "OSU":
        raise InputError(f"holds {describe(array)}, expected text")
    return [_text(value).rstrip(" ") for value in np.ravel(array[:])]


def _text(value: object) -> str:
    if isinstance(value, np.ndarray) and value.dtype.kind == "U":  # a cell of MATLAB
        return "".join(value)
    try:
        text = value.decode() if isinstance(value, bytes) else value
    except UnicodeDecodeError:
        raise InputError(f"holds {value!r}, which is not UTF-8") from None
    if not isinstance(text, str):
        raise InputError("holds something that is not text, expected text alone")
    return text


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """Turn whatever reading a damaged file raises into one line that names it.

    Raises:
        InputError: Reading failed.
    """
    try:
        yield
    except Exception as error:  # readers of foreign files fail in many ways
        raise InputError(
            f"{path} cannot be read as {path.suffix} ({error}); get or make it again"
        ) from None


class Guarded:
    """An array of a file that may turn out to be damaged when rows are read."""

    def __init__(self, path: Path, array: Array) -> None:
        self._path, self._array = path, array
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> Any:
        with readable(self._path):
            return self._array[rows]


class Member:
    """An array of a .npz file; its head is read at once, the rest when rows are asked for."""

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        with ZipFile(path) as archive, archive.open(f"{name}.npy") as file:
            version, _ = read_magic(file)
            read_head = {1: read_array_header_1_0, 2: read_array_header_2_0}[version]
            self.shape, _, self.dtype = read_head(file)

    @cached_property
    def _loaded(self) -> NDArray[Any]:
        with np.load(self._path, allow_pickle=False) as file:
            return np.asarray(file[self._name])

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> Any:
        return self._loaded[rows]


def _open_file(path: Path) -> dict[str, Array]:
    if not path.is_file():
        raise InputError(f"{path} not found; expected a file of arrays or a folder of such")
    if path.suffix not in OPEN:
        raise InputError(f"{path} is no file of arrays; expected {', '.join(OPEN)}")
    with readable(path):
        return {name: Guarded(path, array) for name, array in OPEN[path.suffix](path).items()}


def _open_npz(path: Path) -> dict[str, Array]:
    with ZipFile(path) as archive:
        names = [name[:-4] for name in archive.namelist() if name.endswith(".npy")]
    members = {name: Member(path, name) for name in names}
    return {name: member for name, member in members.items() if member.shape}


def _open_mat(path: Path) -> dict[str, Array]:
    if h5py.is_hdf5(path):
        return {name: turned(dataset) for name, dataset in _open_h5(path).items()}
    from scipy import io, sparse  # comes with scikit-learn; slow to import

    found = {k: v for k, v in io.loadmat(path).items() if not k.startswith("__")}
    return {k: v.toarray() if sparse.issparse(v) else v for k, v in found.items()}


def _open_h5(path: Path) -> dict[str, h5py.Dataset]:
    nodes = h5py.File(path, "r").items()
    return {k: v for k, v in nodes if isinstance(v, h5py.Dataset) and v.ndim}


OPEN: dict[str, Callable[[Path], dict[str, Any]]] = {
    ".npz": _open_npz,
    ".mat": _open_mat,
    ".h5": _open_h5,
    ".hdf5": _open_h5,
}
