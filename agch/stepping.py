"""One optimiser and its guard: a non-finite loss or gradient never reaches the weights."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.objective import Terms, sum_of

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
    """An optimiser over one block of parameters, with gradient scaling where fp16 needs it."""

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
        else:
            self.optimizer = torch.optim.Adam(groups, weight_decay=decay, fused=True)
        device = self.parameters[0].device.type
        self.scaler = torch.amp.GradScaler(device, enabled=dtype == torch.float16)
        self.skipped = 0
        self.skipped_in_a_row = 0

    def step(self, terms: Terms) -> bool:
        """Minimise the sum of the terms with respect to this block's parameters alone.

        Returns:
            Whether the step was taken; it is skipped where loss or gradient are not finite.

        Raises:
            InputError: `MOST_SKIPPED` steps in a row were not finite; names the first bad term.
        """
        loss = self.scaler.scale(sum_of(terms.values()))
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        self.scaler.unscale_(self.optimizer)
        finite = self._finite(loss)
        if finite:
            self.scaler.step(self.optimizer)
            self.skipped_in_a_row = 0
        else:
            self._skip(terms)
        self.scaler.update()
        return finite

    def _finite(self, loss: Tensor) -> bool:
        gradients = [p.grad for p in self.parameters if p.grad is not None]
        return bool(torch.isfinite(loss + torch.nn.utils.get_total_norm(gradients)))

    def _skip(self, terms: Terms) -> None:
        self.skipped += 1
        self.skipped_in_a_row += 1
        if self.skipped_in_a_row == MOST_SKIPPED:
            raise InputError(_diagnosis(terms))

    def state(self) -> dict[str, Any]:
        """Optimiser, scaler and counters."""
        return {
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "skipped": (self.skipped, self.skipped_in_a_row),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.skipped, self.skipped_in_a_row = state["skipped"]


def _diagnosis(terms: dict[str, Tensor]) -> str:
    bad = [name for name, value in terms.items() if not bool(torch.isfinite(value))]
    where = f"term '{bad[0]}' is not finite" if bad else "a gradient is not finite"
    return (
        f"training stopped: {MOST_SKIPPED} steps in a row were skipped because {where}; "
        "lower train.learning_rate, check the features, or use train.precision=fp32"
    )
