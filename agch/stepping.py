"""One optimiser and its guard: a non-finite loss or gradient never reaches the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.objective import Terms

MOST_SKIPPED = 20


def compute_dtype(precision: str, device: torch.device) -> torch.dtype:
    """What the networks compute in: `auto` is bf16 on a CUDA device that has it, else fp32.

    Raises:
        InputError: fp16 was asked for on a CPU.
    """
    if precision == "auto":
        fast = device.type == "cuda" and torch.cuda.is_bf16_supported()
        return torch.bfloat16 if fast else torch.float32
    if precision == "fp16" and device.type != "cuda":
        raise InputError(
            f"train.precision is 'fp16', which needs a CUDA device; this run uses {device.type}. "
            "Use fp32, bf16 or auto"
        )
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


class Stepper:
    """An optimiser over one block of parameters, with gradient scaling where fp16 needs it.

    Whether a step was finite is known to the device alone, which skips it without telling the
    host: nothing waits for the device until `check`.
    """

    def __init__(
        self, groups: list[dict[str, Any]], params: TrainParams, dtype: torch.dtype
    ) -> None:
        self.parameters = [parameter for group in groups for parameter in group["params"]]
        decay = params.weight_decay
        self.optimizer: torch.optim.Optimizer
        if params.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(
                groups, momentum=params.momentum, weight_decay=decay, fused=True
            )
            for parameter in self.parameters:  # else a first step that is skipped leaves garbage
                self.optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        else:
            self.optimizer = torch.optim.Adam(groups, weight_decay=decay, fused=True)
        device = self.parameters[0].device
        self.scaler = torch.amp.GradScaler(device.type, enabled=dtype == torch.float16)
        self.counts = torch.zeros(3, dtype=torch.int64, device=device)
        self.names: list[str] = []
        self.bad_terms = torch.zeros(0, dtype=torch.bool, device=device)

    def step(self, terms: Terms) -> Tensor:
        """Minimise the sum of the terms with respect to this block's parameters alone.

        Returns:
            Whether the step was taken, a bool on the device; it is skipped where loss or gradient
            are not finite.
        """
        values = torch.stack(list(terms.values()))
        loss = values.sum()
        for parameter in self.parameters:
            parameter.grad = None
        self.scaler.scale(loss).backward(inputs=self.parameters)
        self.scaler.unscale_(self.optimizer)
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        taken = torch.isfinite(loss.detach() + torch.nn.utils.get_total_norm(gradients))
        setattr(self.optimizer, "found_inf", (~taken).float())  # fused ones then change nothing
        self.optimizer.step()
        self.scaler.update()
        self._count(taken, list(terms), values.detach())
        return taken

    def _count(self, taken: Tensor, names: list[str], values: Tensor) -> None:
        """Skipped steps so far, those in a row, the longest row, and what was bad in it."""
        total, in_a_row, longest = self.counts
        in_a_row = (in_a_row + 1) * ~taken
        self.counts = torch.stack([total + ~taken, in_a_row, torch.maximum(longest, in_a_row)])
        if names != self.names:
            self.names, self.bad_terms = names, torch.zeros_like(values, dtype=torch.bool)
        news = ~taken & (in_a_row == self.counts[2])  # of the longest row, if it is this one
        self.bad_terms = torch.where(news, ~values.isfinite(), self.bad_terms)

    @property
    def skipped(self) -> int:
        """Number of steps skipped so far."""
        return int(self.counts[0])

    def check(self) -> None:
        """Wait for the device and see whether training still makes sense.

        Raises:
            InputError: `MOST_SKIPPED` steps in a row were not finite; names the first bad term. Or
                steps of finite length have led the weights beyond all numbers.
        """
        if not torch.stack([p.isfinite().all() for p in self.parameters]).all():
            raise InputError(
                "training stopped: the weights are not finite any more; lower train.learning_rate"
            )
        if self.counts[2] < MOST_SKIPPED:
            return
        bad = [name for name, is_bad in zip(self.names, self.bad_terms.tolist()) if is_bad]
        where = f"term '{bad[0]}' is not finite" if bad else "a gradient is not finite"
        raise InputError(
            f"training stopped: {MOST_SKIPPED} steps in a row were skipped because {where}; "
            "lower train.learning_rate, check the features, or use train.precision=fp32"
        )

    def state(self) -> dict[str, Any]:
        """Optimiser, scaler and counters."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "counts": self.counts,
            "bad_terms": (self.names, self.bad_terms),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.counts = state["counts"].to(self.counts.device)
        self.names, self.bad_terms = state["bad_terms"]
        self.bad_terms = self.bad_terms.to(self.counts.device)
