"""The curves of a training for TensorBoard while it runs; an optional extra."""

from __future__ import annotations

from pathlib import Path

from agch.errors import InputError
from agch.record import Record


class TensorBoard:
    """Writes what dvclive writes at the end, epoch by epoch.

    Args:
        folder: Of this run alone.
        epochs: Number of epochs that are there already; what was written after them is dropped.

    Raises:
        InputError: The package is not installed.
    """

    def __init__(self, folder: Path, epochs: int) -> None:
        try:
            from torch.utils.tensorboard.writer import SummaryWriter
        except ImportError:
            raise InputError(
                "train.tensorboard is true, but the package tensorboard is not installed; "
                "`make extras` installs it, or use -S train.tensorboard=false"
            ) from None
        self.writer = SummaryWriter(str(folder), purge_step=epochs)

    def show(self, epoch: int, record: Record) -> None:
        """Write the record of an epoch, counted from 0."""
        for name, value in record.items():
            self.writer.add_scalar(name, round(value, 6), epoch)
        self.writer.flush()
