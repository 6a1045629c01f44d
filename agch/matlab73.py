"""Arrays of MATLAB's format 7.3, which is HDF5 with the axes turned round."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray


class Turned:
    """An array as MATLAB shows it, read by rows from the dataset, of which they are columns."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.shape: tuple[int, ...] = dataset.shape[::-1]
        self.dtype: np.dtype[Any] = dataset.dtype

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> NDArray[Any]:
        block: NDArray[Any] = self._dataset[..., rows]
        return block.T


class Characters(Turned):
    """A matrix of characters: as many strings as it has rows."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        super().__init__(dataset)
        self.shape, self.dtype = self.shape[:1], np.dtype(np.str_)

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> NDArray[Any]:
        codes = super().__getitem__(rows).astype("<u2")
        return np.array([row.tobytes().decode("utf-16-le") for row in codes], np.str_)


class Cells(Turned):
    """A cell array: strings as such, None for whatever else a cell holds."""

    def __getitem__(self, rows: NDArray[np.int64] | slice, /) -> NDArray[Any]:
        references = super().__getitem__(rows)
        found = [self._text(reference) for reference in references.flat]
        return np.array(found, object).reshape(references.shape)

    def _text(self, reference: h5py.Reference) -> str | None:
        cell = self._dataset.file[reference]
        if cell.attrs.get("MATLAB_class") != b"char":
            return None
        # an empty array is stored as its shape
        return "" if cell.attrs.get("MATLAB_empty") else "".join(Characters(cell)[:])


def turned(dataset: h5py.Dataset) -> Turned:
    """The array that a dataset of such a file holds."""
    if dataset.attrs.get("MATLAB_class") == b"char":
        return Characters(dataset)
    if h5py.check_ref_dtype(dataset.dtype) is h5py.Reference:
        return Cells(dataset)
    return Turned(dataset)
