"""Scores of anybody's codes, from four arrays in files.

python -m agch.score QUERY_CODES DATABASE_CODES QUERY_LABELS DATABASE_LABELS [--at 50 ...]

Each is FILE.npy, FILE.mat or FILE.mat:NAME. Codes: (n, c) signs or real outputs, whose positive
entries are 1, or (n, c / 8) packed uint8. Labels: (n, L), non-zero where the row has the label.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from agch.bootstrap import margin
from agch.errors import InputError
from agch.metrics import Evaluation, evaluate

SIDES = ("query_codes", "database_codes", "query_labels", "database_labels")


def main() -> None:
    """Print the scores that were asked for as a Markdown table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for side in SIDES:
        parser.add_argument(side)
    parser.add_argument("--at", nargs="+", type=int, default=[50], metavar="K", help="cut-offs")
    parser.add_argument("--device", default="cpu", help="cpu (numpy), or a device of torch")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap over the queries")
    asked = parser.parse_args()
    try:
        arrays = [read(getattr(asked, side)) for side in SIDES]
        found = evaluate(*arrays, at=asked.at, device=asked.device)
    except (InputError, ValueError) as error:
        sys.exit(f"error: {error}")
    print("\n".join(table(found, asked.seed)))


def table(found: Evaluation, seed: int) -> list[str]:
    """The lines of a table: both rules for ties side by side, and how sure the stable one is.

    Args:
        seed: Of the bootstrap; the margin is half the width of the 95 % interval.
    """
    stable, expected = found.means("stable"), found.means("expected")
    rows = [
        "| metric       | stable | expected | margin |",
        "|--------------|-------:|---------:|-------:|",
    ]
    for name, score in stable.items():
        sure = margin(found.stable[name], seed)
        rows.append(f"| {name:12} | {score:6.4f} | {expected[name]:8.4f} | {sure:6.4f} |")
    return rows


def read(place: str) -> NDArray[Any]:
    """Read the array at FILE.npy, FILE.mat (if it holds one only) or FILE.mat:NAME.

    Raises:
        InputError: There is no such file or array, or it is no matrix of numbers.
    """
    file, colon, name = place.rpartition(":") if ".mat:" in place else (place, "", "")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"{path} not found; expected a .npy or a .mat file")
    if path.suffix == ".npy":
        return _matrix(place, np.load(path, allow_pickle=False))
    if path.suffix != ".mat":
        raise InputError(f"{path} is neither .npy nor .mat")
    names, load = _open_v73(path) if h5py.is_hdf5(path) else _open_mat(path)
    if not name and len(names) == 1:
        name = names[0]
    if name not in names:
        asked = f"no array '{name}'" if name else f"{len(names)} arrays"
        raise InputError(
            f"{path} has {asked}; name one as {path}:NAME (it holds {', '.join(names)})"
        )
    return _matrix(place, load(name))


Loader = Callable[[str], NDArray[Any]]


def _open_mat(path: Path) -> tuple[list[str], Loader]:
    """MATLAB's format up to version 7: names, and how to load one."""
    from scipy import io  # comes with scikit-learn; slow to import

    def load(name: str) -> NDArray[Any]:
        array: NDArray[Any] = io.loadmat(path, variable_names=[name])[name]
        return array.toarray() if hasattr(array, "toarray") else array

    return [name for name, _, _ in io.whosmat(path)], load


def _open_v73(path: Path) -> tuple[list[str], Loader]:
    """MATLAB's format 7.3, which is HDF5 with the axes turned round."""
    with h5py.File(path, "r") as file:
        names = [name for name, node in file.items() if isinstance(node, h5py.Dataset)]

    def load(name: str) -> NDArray[Any]:
        with h5py.File(path, "r") as file:
            array: NDArray[Any] = file[name][:].T
        return array

    return names, load


def _matrix(place: str, array: NDArray[Any]) -> NDArray[Any]:
    if array.ndim != 2 or array.dtype.kind not in "biuf":
        raise InputError(
            f"{place} holds {array.dtype} of shape {array.shape}; expected a matrix of numbers"
        )
    return array


if __name__ == "__main__":
    main()
