"""Training from features in memory, epoch by epoch.

`Trainer.epoch` runs one pass; who calls it decides about checkpoints, logs and validation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
from torch import Generator, Tensor

from agch.batches import TrainingSet
from agch.hyperparameters import TrainParams
from agch.means import Means, with_losses
from agch.ranks import ALONE, Ranks
from agch.record import Record
from agch.stepping import MOST_SKIPPED
from agch.steps import Steps


class Trainer(Steps):
    """Steps over all batches of an epoch, in a new order each time.

    Args:
        generator: Seeded CPU generator that orders the batches. For the others see `Steps`.

    Attributes:
        epochs, position: Number of epochs ended, and of steps in the one that has begun.
    """

    def __init__(
        self,
        rows: TrainingSet,
        params: TrainParams,
        generator: Generator,
        start: dict[str, Tensor] | None = None,
        ranks: Ranks = ALONE,
    ) -> None:
        super().__init__(rows, params, start, ranks)
        self.generator, self.ranks, self.own = generator, ranks, ranks.part(self.size)
        self.epochs = self.position = 0
        self.steps_per_epoch = len(rows.image) // self.size
        self.order = torch.empty(0, dtype=torch.int64, device=self.device)
        self.means = Means(self.device)

    def epoch(self, after_step: Callable[[], None] = lambda: None) -> Record:
        """One pass over the rows in a new order, or what `load_state` has left of it.

        The rows that fill no batch are left out: the objective divides by m^2, so that a short
        batch would weigh its rows differently.

        Args:
            after_step: Called when `state` is whole; what it raises, ends the epoch.

        Returns:
            The mean of everything recorded, over the steps where it was finite.

        Raises:
            InputError: See `Stepper.check`; or something was finite in no step.
        """
        self.model.train()
        if self.params.tanh_scale == "growing":  # as DJSRH has it
            self.model.scale_tanh((self.epochs + 1) ** 0.5)
        if not len(self.order):
            order = torch.randperm(len(self.rows.image), generator=self.generator)
            self.order = order.to(self.device)
        while self.position < self.steps_per_epoch:
            index = self.order[self.position * self.size :][: self.size]
            self.means.add(self.step(self.rows.select(index, self.own)))
            self.position += 1
            if self.position % MOST_SKIPPED == 0:
                self._check()
            after_step()
        self._check()
        record = self.means.read()
        self.order, self.position, self.means = self.order[:0], 0, Means(self.device)
        self.epochs += 1
        return with_losses(record)

    def state(self) -> dict[str, Any]:
        """Everything that the next step depends on; save it before that step changes it."""
        return {
            "model": self.model.state_dict(),
            "steppers": [stepper.state() for stepper in self.steppers],
            "codes": self.codes,
            "generator": self.generator.get_state(),
            "dropout": self._dropout_state(),
            "epochs": self.epochs,
            "order": self.order,
            "position": self.position,
            "means": self.means.state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.model.load_state_dict(state["model"])
        for stepper, saved in zip(self.steppers, state["steppers"], strict=True):
            stepper.load_state(saved)
        self.codes.copy_(state["codes"])
        self.generator.set_state(state["generator"])
        self.epochs, self.position = state["epochs"], state["position"]
        self.order = state["order"].to(self.device)
        self.means.load_state(state["means"])
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["dropout"], self.device)
        else:
            torch.set_rng_state(state["dropout"])

    def pace(self, steps: int = 3) -> float:
        """Seconds that a step takes, from trying some, of which nothing is left."""
        before, index = deepcopy(self.state()), torch.arange(self.size, device=self.device)
        self.model.train()
        for timed in (1, steps):  # the first one starts and compiles what is needed
            start = time.perf_counter()
            for _ in range(timed):
                self.step(self.rows.select(index, self.own))
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        seconds = time.perf_counter() - start
        self.load_state(before)
        return seconds / steps

    @property
    def steps_done(self) -> int:
        """Number of steps so far."""
        return self.epochs * self.steps_per_epoch + self.position

    @property
    def skipped_steps(self) -> int:
        """Steps left out because a loss or a gradient was not finite."""
        return sum(stepper.skipped for stepper in self.steppers)

    def _check(self) -> None:
        for stepper in self.steppers:
            stepper.check()

    def _dropout_state(self) -> Tensor:
        """Dropout draws from the global random state of the device."""
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.get_rng_state()
