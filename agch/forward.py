"""The networks as training runs them: in the chosen precision, compiled, by one process or more."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor

from agch.batches import Batch
from agch.dropout import Dropout
from agch.model import AGCH, Encoded, Helped
from agch.ranks import ALONE, Ranks

Made = TypeVar("Made")


class Forward:
    """Runs the networks under autocast; what leaves it is float32 and of the whole batch.

    Args:
        dtype: float32, or what autocast computes products in.
        ranks: The processes that share every batch.
        compiled: Whether `torch.compile` makes them faster.
    """

    def __init__(
        self,
        model: AGCH,
        dtype: torch.dtype,
        ranks: Ranks = ALONE,
        compiled: bool = False,
    ) -> None:
        self.dtype, self.ranks = dtype, ranks
        for module in model.modules():
            if isinstance(module, Dropout):
                module.rank, module.ranks = ranks
        encode, help_ = ranks.parallel(model), model.help
        self._encode = _compile(encode) if compiled else encode
        self._help = _compile(help_) if compiled else help_

    def encode(self, batch: Batch) -> Encoded:
        """Both encoders on this process's rows; the rows of all."""
        with self._autocast(batch.image):
            encoded = self._encode(batch.image, batch.text)
        return self.ranks.gather(Encoded(*(tensor.float() for tensor in encoded)))

    def help(self, encoded: Encoded, adjacency: Tensor) -> Helped:
        """Fusion and graph networks."""
        with self._autocast(adjacency):
            helped = self._help(encoded, adjacency)
        return helped.map(Tensor.float)

    def _autocast(self, like: Tensor) -> torch.autocast:
        return torch.autocast(like.device.type, self.dtype, enabled=self.dtype != torch.float32)


def _compile(function: Callable[..., Made]) -> Callable[..., Made]:
    """By torch; on a CPU for the instruction set of `agch.runtime`.

    torch keeps what it has compiled for other processes and does not look whether their
    instruction set was the same: without the width of the vectors among the options, code made
    for one could be run with another, with wrong numbers.
    """
    compiled: Callable[..., Made] = torch.compile(function, options={"cpp.simdlen": 256})
    return compiled
