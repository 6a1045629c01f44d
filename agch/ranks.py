"""Training by several processes at once, each on its rows of every batch (`torchrun`).

The encoders, which do most of the arithmetic, run on a process's own rows under torch's
DistributedDataParallel. What they say is gathered, so that every process sees the graph of the
whole batch and computes the same loss; fusion and graph networks are computed by each alike.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from agch.errors import InputError
from agch.model import AGCH, Encoded

Encode = Callable[[Tensor, Tensor], Encoded]


class Ranks(NamedTuple):
    """This process among those that train together.

    Attributes:
        rank: Counted from 0. size: How many there are.
    """

    rank: int
    size: int

    @property
    def first(self) -> bool:
        """Whether this is the one that measures, prints and writes."""
        return self.rank == 0

    def part(self, batch: int) -> slice:
        """The rows of a batch of so many that are this process's own."""
        own = batch // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def parallel(self, model: AGCH) -> Encode:
        """`model.encode`, whose gradients are summed over the processes."""
        if self.size == 1:
            return model.encode
        return DistributedDataParallel(_Encoders(model))

    def agree(self, value: int) -> bool:
        """Whether it is the same in all processes."""
        values = [value] * self.size
        if self.size > 1:
            dist.all_gather_object(values, value)
        return len(set(values)) == 1

    def gather(self, encoded: Encoded) -> Encoded:
        """The rows of all processes in the order of the batch; gradients find their way back."""
        if self.size == 1:
            return encoded
        return Encoded(*(_Gather.apply(tensor, self) for tensor in encoded))


ALONE = Ranks(0, 1)


def join(device: torch.device, batch: int) -> tuple[Ranks, torch.device]:
    """Meet the other processes that `torchrun` has started, if it has; and this one's device.

    Raises:
        InputError: The rows of a batch cannot be shared evenly.
    """
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE, device
    if batch % count:
        raise InputError(
            f"train.batch is {batch}, which {count} processes cannot share evenly; "
            f"use a multiple of {count}"
        )
    if device.type == "cuda":
        device = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    return Ranks(dist.get_rank(), count), device


class _Gather(torch.autograd.Function):
    """Rows of all processes; backwards, the gradient of this process's own.

    Each process computes the same loss and so knows the gradient of every row. It is multiplied by
    the number of processes, because DistributedDataParallel takes a mean where rows want a sum.
    """

    @staticmethod
    def forward(context: Any, own: Tensor, ranks: Ranks) -> Tensor:
        context.ranks = ranks
        parts = [torch.empty_like(own) for _ in range(ranks.size)]
        dist.all_gather(parts, own.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        ranks: Ranks = context.ranks
        return ranks.size * gradient[ranks.part(len(gradient))], None


class _Encoders(nn.Module):
    """What DistributedDataParallel has to look after: both encoders and nothing else."""

    def __init__(self, model: AGCH) -> None:
        super().__init__()
        self.image, self.text = model.image, model.text
        self.encode = model.encode

    def forward(self, image: Tensor, text: Tensor) -> Encoded:
        return self.encode(image, text)
