"""Pictures to tensors: normalise, and prepare in threads beside the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

T = TypeVar("T")


@dataclass(frozen=True)
class Preprocess:
    """One RGB picture of any size -> (3, h, w) float32, as a network wants it.

    Attributes:
        fit: Cuts or scales a picture to the network's size.
        mean: Per channel, as `to_tensor` takes it.
        std: Likewise.
    """

    fit: Callable[[Image], Image]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, picture: Image) -> Tensor:
        return to_tensor(self.fit(picture), self.mean, self.std)


def to_tensor(picture: Image, mean: Iterable[float], std: Iterable[float]) -> Tensor:
    """(3, h, w) float32 tensor of `(x - mean) / std`, x in [0, 1], per channel."""
    pixels = torch.from_numpy(np.asarray(picture).copy()).permute(2, 0, 1).to(torch.float32)
    means, stds = (torch.tensor(tuple(values)).view(3, 1, 1) for values in (mean, std))
    return pixels.div_(255).sub_(means).div_(stds)


def map_ahead(
    function: Callable[[T], Tensor | ValueError], items: Iterable[T], workers: int, ahead: int
) -> Iterator[Tensor | ValueError]:
    """Apply `function` in threads, in order, never more than `ahead` results in advance."""
    source = iter(items)
    with ThreadPoolExecutor(workers) as pool:
        queue: list[Future[Tensor | ValueError]] = [
            pool.submit(function, item) for item in islice(source, ahead)
        ]
        while queue:
            yield queue.pop(0).result()
            queue.extend(pool.submit(function, item) for item in islice(source, 1))
