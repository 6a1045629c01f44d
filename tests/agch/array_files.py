"""Files of named arrays as NumPy, MATLAB and HDF5 write them; each function returns its path."""

from pathlib import Path

import h5py
import numpy as np
from scipy import io


def npz(path: Path, **arrays) -> Path:
    """Compressed, so that damage shows."""
    np.savez_compressed(path, **arrays)
    return path


def mat(path: Path, **arrays) -> Path:
    """MATLAB's version 5 to 7; a list of strings becomes a cell array."""
    cells = {k: np.array(v, object) if isinstance(v, list) else v for k, v in arrays.items()}
    io.savemat(path, cells, do_compression=True)
    return path


def mat73(path: Path, **arrays) -> Path:
    """MATLAB's version 7.3: a head of 512 bytes, the axes turned round.

    A string becomes a row of characters, a list of strings a column of cells.
    """
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            if isinstance(array, list):
                cells = [characters(file, f"#refs#/{name}{i}", v) for i, v in enumerate(array)]
                file.create_dataset(name, (1, len(cells)), h5py.ref_dtype)
                file[name][0] = [cell.ref for cell in cells]
                file[name].attrs["MATLAB_class"] = np.bytes_("cell")
            elif isinstance(array, str):
                characters(file, name, array)
            else:
                file[name] = np.transpose(array)
                file[name].attrs["MATLAB_class"] = np.bytes_("double")
    return path


def characters(file: h5py.File, name: str, text: str) -> h5py.Dataset:
    """One row of MATLAB 7.3 characters; the lines of a text are as many rows.

    Of what is empty MATLAB stores the shape.
    """
    rows = [np.frombuffer(line.encode("utf-16-le"), np.uint16) for line in text.split("\n")]
    file[name] = np.array(rows).T if text else np.array([1, 0], np.uint64)
    file[name].attrs["MATLAB_class"] = np.bytes_("char")
    if not text:
        file[name].attrs["MATLAB_empty"] = np.uint8(1)
    return file[name]


def h5(path: Path, **arrays) -> Path:
    """A list of strings becomes bytes of fixed length."""
    with h5py.File(path, "w") as file:
        for name, array in arrays.items():
            file[name] = np.char.encode(array) if isinstance(array, list) else array
    return path
