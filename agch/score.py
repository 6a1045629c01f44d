"""Scores of anybody's codes, from four arrays in files.

python -m agch.score QUERY_CODES DATABASE_CODES QUERY_LABELS DATABASE_LABELS [--at 50 ...]

Each is FILE.npy, FILE.mat or FILE.mat:NAME. Codes: (n, c) signs or real outputs, whose positive
entries are 1, or (n, c / 8) packed uint8. Labels: (n, L), non-zero where the row has the label.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from agch.arrays import Array, describe, open_arrays, readable
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
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap over the queries")
    asked = parser.parse_args()
    try:
        arrays = [read(getattr(asked, side)) for side in SIDES]
        lines = table(evaluate(*arrays, at=asked.at, device=asked.device), asked.seed)
    except (InputError, ValueError, RuntimeError) as error:  # RuntimeError: torch finds no CUDA
        sys.exit(f"error: {error}")
    print("\n".join(lines))


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
        InputError: There is no such file or array, it is damaged, or it is no matrix of numbers.
    """
    file, _, name = place.rpartition(":") if ".mat:" in place else (place, "", "")
    path = Path(file)
    if not path.is_file():
        raise InputError(f"{path} not found; expected a .npy or a .mat file")
    arrays = _arrays(path)
    if not name and len(arrays) == 1:
        (name,) = arrays
    if name not in arrays:
        asked = f"no array '{name}'" if name else f"{len(arrays)} arrays"
        held = ", ".join(arrays) or "none"
        raise InputError(f"{path} has {asked}; name one as {path}:NAME (it holds {held})")
    array = arrays[name]
    if len(array.shape) != 2 or array.dtype.kind not in "biuf":
        raise InputError(f"{place} holds {describe(array)}; expected a matrix of numbers")
    matrix: NDArray[Any] = array[:]
    return matrix


def _arrays(path: Path) -> dict[str, Array]:
    """By name, which is empty in .npy; text of MATLAB 7.3 is left out."""
    if path.suffix == ".npy":
        with readable(path):
            return {"": np.asarray(np.load(path, allow_pickle=False))}
    if path.suffix != ".mat":
        raise InputError(f"{path} is neither .npy nor .mat")
    found, is_73 = open_arrays(path), h5py.is_hdf5(path)
    return {name: a for name, a in found.items() if not (is_73 and a.dtype.kind == "U")}


if __name__ == "__main__":
    main()
