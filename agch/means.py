"""Means of what an epoch records, kept on the device that trains."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agch.errors import InputError


class Means:
    """Running means by name, each over the steps where its value was finite."""

    def __init__(self, device: torch.device) -> None:
        self.names: list[str] = []
        self.totals = torch.zeros(0, dtype=torch.float64, device=device)
        self.counts = torch.zeros(0, dtype=torch.int64, device=device)

    def add(self, values: dict[str, Tensor]) -> None:
        """Take in what one step has recorded, scalars under the same names each time."""
        seen = torch.stack([value.detach() for value in values.values()]).double()
        finite = seen.isfinite()
        if not self.names:
            self.names, self.totals = list(values), torch.zeros_like(seen)
            self.counts = torch.zeros_like(seen, dtype=torch.int64)
        self.totals += torch.where(finite, seen, 0)
        self.counts += finite

    def read(self) -> dict[str, float]:
        """The means.

        Raises:
            InputError: Something was finite in no step.
        """
        for name, count in zip(self.names, self.counts.tolist()):
            if not count:
                raise InputError(
                    f"training stopped: '{name}' was finite in no step of an epoch; check the "
                    "features, lower train.learning_rate, or use train.precision=fp32"
                )
        return dict(zip(self.names, (self.totals / self.counts).tolist()))

    def state(self) -> dict[str, Any]:
        """What `load_state` needs."""
        return {"names": self.names, "totals": self.totals, "counts": self.counts}

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        device = self.totals.device
        self.names = state["names"]
        self.totals, self.counts = state["totals"].to(device), state["counts"].to(device)


def with_losses(record: dict[str, float]) -> dict[str, float]:
    """Each block's loss, the sum of its terms, and the total, ahead of the terms themselves."""
    losses: dict[str, float] = {}
    for name, value in record.items():
        block = name.partition("/")[0]
        if block != "target":
            losses[block] = losses.get(block, 0.0) + value
    total = {"loss/total": sum(losses.values())}
    return total | {f"loss/{block}": loss for block, loss in losses.items()} | record
