"""The training set in memory and its batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of the training set. The labels travel along for whoever measures; no loss reads them.

    Attributes:
        image: (m, d) float32 inputs of the image encoder. text: (m, v) float32.
        index: (m,) position in the training set. label: (m, l) uint8.
    """

    image: Tensor
    text: Tensor
    index: Tensor
    label: Tensor


class TrainingSet(NamedTuple):
    """All training rows on the device.

    Attributes:
        image: (n, d) float32 frozen features, of which the similarity is made.
        text: (n, v) float32. label: (n, l) uint8.
        image_input: (n, d or k) float32 or float16 inputs of the image encoder.
    """

    image: Tensor
    text: Tensor
    label: Tensor
    image_input: Tensor

    def select(self, index: Tensor) -> Batch:
        """The rows at `index`, (m,) int64."""
        return Batch(self.image_input[index].float(), self.text[index], index, self.label[index])

    def batches(self, order: Tensor, size: int) -> Iterator[Batch]:
        """Batches of `size` rows in the given order; an incomplete last one is dropped.

        The objective divides by m^2, so a short batch would weigh its rows differently.
        """
        for index in order[: len(order) // size * size].split(size):
            yield self.select(index)
