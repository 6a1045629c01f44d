"""The run of a training: epochs and validation, checkpoints, signals, and a line for each epoch."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from typing import Any

from tqdm import tqdm

from agch.checkpoint import Checkpoint
from agch.errors import InputError
from agch.interruption import SIGNALS, Interrupted, Interruption
from agch.record import History, Record, best_epoch, in_a_line
from agch.training import Trainer
from agch.validation import Validator

Show = Callable[[int, Record], None]


class Fit:
    """Trains to the last epoch, from the last checkpoint on if there is one.

    Args:
        select: What `weights` returns, those of the `last` or the `best` epoch.
        interruption: Where signals arrive.

    Attributes:
        history: What was recorded of each epoch.
        shows: Told of each epoch, counted from 0, as soon as it has been validated.
    """

    def __init__(
        self,
        trainer: Trainer,
        validator: Validator,
        saved: Checkpoint,
        select: str,
        interruption: Interruption,
    ) -> None:
        self.trainer, self.validator, self.saved = trainer, validator, saved
        self.select, self.interruption = select, interruption
        self.shows: list[Show] = []
        self.history: History = []
        self.pending: Record = {}
        self.best: dict[str, Any] = {}
        if state := saved.restore():
            trainer.load_state(state["trainer"])
            self.history, self.best = state["history"], state["best"]
            self.pending = state["pending"]
            done, size = divmod(trainer.steps_done, trainer.steps_per_epoch)
            print(f"continuing after epoch {done}, step {size}")

    def run(self, epochs: int) -> None:
        """Train until there are so many.

        Raises:
            Interrupted: By a signal; everything up to the last step is saved.
            InputError: Other processes continue from another checkpoint.
        """
        _check_place(self.trainer)
        done = len(self.history)
        with tqdm(total=epochs, initial=done, unit="epoch", disable=None) as bar:
            try:
                while len(self.history) < epochs:
                    self._epoch()
                    bar.update()
            except Interrupted:
                self.saved.save(self.state())
                raise

    def weights(self) -> dict[str, Any]:
        """The state of the model in the epoch that `select` asks for."""
        return self.best or self.trainer.model.state_dict()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "trainer": self.trainer.state(),
            "history": self.history,
            "pending": self.pending,
            "best": self.best,
        }

    def _epoch(self) -> None:
        """One epoch; a signal ends it between two steps, or in the middle of validation."""
        start = time.perf_counter()
        with self.interruption.holding():
            if not self.pending:
                self.pending = self.trainer.epoch(self._after_step)
        scores = self.validator.measure(self.trainer.model)
        with self.interruption.holding():
            record = self.pending | scores
            self.history.append(record)
            self.pending = {}
            if self.select == "best" and best_epoch(self.history) == len(self.history) - 1:
                self.best = {k: v.clone() for k, v in self.trainer.model.state_dict().items()}
            seconds = time.perf_counter() - start
            tqdm.write(f"epoch {len(self.history)}: {in_a_line(record)}, {seconds:.2f} s")
            for show in self.shows:
                show(len(self.history) - 1, record)

    def _after_step(self) -> None:
        self.saved.save_if_due(self.state)
        self.interruption.check()


def follow(trainer: Trainer, saved: Checkpoint, epochs: int) -> None:
    """The same steps in a process that is not the first: it writes, measures and decides nothing.

    A signal is for the first process to answer; without it this one ends by itself.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    if state := saved.restore():
        trainer.load_state(state["trainer"])
    _check_place(trainer)
    while trainer.epochs < epochs:
        trainer.epoch()


def _check_place(trainer: Trainer) -> None:
    if not trainer.ranks.agree(trainer.steps_done):
        raise InputError(
            "the processes continue from different checkpoints; let AGCH_CHECKPOINTS name a folder "
            "that all of them see, or delete the checkpoints"
        )
