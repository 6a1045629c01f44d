"""Image features of a backbone, and 0/1 matrices of words and labels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agch.backbones import Backbone
from agch.errors import InputError
from agch.images import map_ahead
from agch.pictures import decode

MOST_UNREADABLE = 10, 0.01
"""Pictures of which the features may be lacking: so many, or this share of them if it is more."""


class Block(NamedTuple):
    """One block of rows: the readable ones, the network's output of each, and the others."""

    rows: list[int]
    features: NDArray[np.float32]
    unreadable: dict[int, str]


def extract(
    backbone: Backbone,
    pictures: Iterable[bytes],
    batch: int,
    device: torch.device,
    workers: int,
) -> Iterator[Block]:
    """Features of encoded pictures, a block of `batch` at a time, in order.

    Threads decode the next two blocks while the network computes. A picture that cannot be decoded
    is left out of its block's `rows` and named in `unreadable` with the reason.
    """
    network = backbone.network.to(device).to(memory_format=torch.channels_last)
    pixels = map_ahead(partial(_pixels, backbone), pictures, workers, ahead=2 * batch)
    start = 0
    while block := list(islice(pixels, batch)):
        good = {start + i: p for i, p in enumerate(block) if isinstance(p, Tensor)}
        bad = {start + i: str(p) for i, p in enumerate(block) if not isinstance(p, Tensor)}
        features = np.empty((0, backbone.dim + backbone.pool5), dtype=np.float32)
        if good:
            features = forward(network, torch.stack(list(good.values())).to(device))
        yield Block(list(good), features, bad)
        start += len(block)


@torch.inference_mode()
def forward(network: nn.Module, pixels: Tensor) -> NDArray[np.float32]:
    """(b, 3, 224, 224) pixels -> (b, dim + pool5) features, on the CPU.

    With channels last a CPU is half as fast again; the network must be in that format, too.
    """
    features: Tensor = network(pixels.contiguous(memory_format=torch.channels_last))
    return features.cpu().numpy()


def check_unreadable(unreadable: dict[str, str], total: int) -> None:
    """List pictures that could not be read; too many end the run.

    Args:
        unreadable: Reason by item id.
        total: Number of items.

    Raises:
        InputError: More than `MOST_UNREADABLE` of them, or all.
    """
    few, share = MOST_UNREADABLE
    listing = "\n".join(f"  {name}: {reason}" for name, reason in list(unreadable.items())[:10])
    if len(unreadable) > max(few, share * total) or unreadable and len(unreadable) == total:
        raise InputError(
            f"{len(unreadable)} of {total} pictures cannot be read; {few} or {share:.0%} may be "
            f"left out. The first are\n{listing}\n"
            "Mend or remove them in the data source and run `dvc repro prepare`"
        )
    if unreadable:
        print(f"warning: left out {len(unreadable)} unreadable pictures:\n{listing}")


def indicator(rows: Sequence[Iterable[str]], names: Sequence[str]) -> NDArray[np.uint8]:
    """(len(rows), len(names)) matrix with 1 where a row has the name.

    Raises:
        KeyError: A row has a name that is not in `names`.
    """
    column = {name: index for index, name in enumerate(names)}
    matrix = np.zeros((len(rows), len(names)), dtype=np.uint8)
    for index, row in enumerate(rows):
        matrix[index, [column[name] for name in row]] = 1
    return matrix


def _pixels(backbone: Backbone, data: bytes) -> Tensor | ValueError:
    try:
        return backbone.preprocess(decode(data))
    except ValueError as error:
        return error
