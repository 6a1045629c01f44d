"""`ranking.Search` on a torch device: pairs are compared by products of bits, and sorted there.

What comes back are the same whole numbers, so every metric is the same.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from agch.ranked import Ranked
from agch.ranking import Histogram, Search, Words, tabulated

PAIRS = 1 << 22
"""Pairs of a query and a database row in a block: about 0.2 GiB; each thread holds one."""


class DeviceSearch:
    """A search whose bits lie on a device, as 0 and 1 in float32, whose sums are exact."""

    def __init__(self, search: Search, device: str) -> None:
        self.bits, self.grades = search.bits, search.grades
        self.codes = _bits(search.codes[0], device), _bits(search.codes[1], device)
        self.labels = _bits(search.labels[0], device), _bits(search.labels[1], device)

    def parts(self) -> list[slice]:
        """Slices of the queries, about `PAIRS` pairs each."""
        queries, rows = len(self.codes[0]), max(1, PAIRS // len(self.codes[1]))
        return [slice(start, start + rows) for start in range(0, queries, rows)]

    def rank(self, part: slice) -> tuple[Histogram, Ranked]:
        """Hold some queries against the whole database: counts, and the stable ranking."""
        query, database = self.codes[0][part], self.codes[1]
        same = query @ database.T
        distance = (query.sum(1, keepdim=True) + database.sum(1) - 2 * same).to(torch.int32)
        shared = (self.labels[0][part] @ self.labels[1].T).to(torch.int32)
        gain = shared.gather(1, distance.sort(dim=1, stable=True).indices)
        cells = (self.bits + 1) * self.grades
        cell = distance.long() * self.grades + shared
        cell += cells * torch.arange(len(query), device=cell.device)[:, None]
        counts = torch.bincount(cell.ravel(), minlength=cells * len(query)).cpu().numpy()
        small = np.uint8 if self.grades < 256 else np.uint16
        counts = counts.reshape(len(query), self.bits + 1, self.grades)
        return tabulated(counts), Ranked(gain.cpu().numpy().astype(small))


def _bits(words: Words, device: str) -> Tensor:
    """(n, words) to (n, any) 0 and 1; what pads a word is 0 on both sides."""
    packed = np.ascontiguousarray(words).view(np.uint8)
    return torch.from_numpy(np.unpackbits(packed, axis=1)).to(device, torch.float32)
