"""Many small pieces of bytes in one file, each found by its number; a second file says where.

Opening such a file costs the same for ten pieces and for a million, and any number of threads may
read.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np


def write_blobs(path: Path, blobs: Iterable[bytes]) -> None:
    """Write the pieces one after the other, and where each begins and the last ends to `.npy`."""
    ends = [0]
    with path.open("wb") as file:
        for blob in blobs:
            file.write(blob)
            ends.append(file.tell())
    np.save(path.with_suffix(".npy"), np.array(ends, np.int64))


class Blobs:
    """What `write_blobs` wrote.

    Attributes:
        size: Bytes of all pieces together.

    Raises:
        OSError, ValueError: A file is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        self._ends = np.load(path.with_suffix(".npy"), mmap_mode="r")
        self._file = path.open("rb")
        self.size = os.fstat(self._file.fileno()).st_size
        if self._ends[-1] != self.size:
            raise ValueError(f"{path} has {self.size} bytes, expected {self._ends[-1]}")

    def __len__(self) -> int:
        return len(self._ends) - 1

    def __getitem__(self, number: int) -> bytes:
        start, end = int(self._ends[number]), int(self._ends[number + 1])
        return os.pread(self._file.fileno(), end - start, start)
