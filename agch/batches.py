"""The training set in memory and its batches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Rows of the training set.

    Attributes:
        index: (m,) positions in the training set.
        frozen, words: What the similarity is made of, (m, d) and (m, v) float32.
        image, text: Inputs of the encoders, float32. Where several processes share the batch,
            these are this process's own rows.
    """

    index: Tensor
    frozen: Tensor
    words: Tensor
    image: Tensor
    text: Tensor


class TrainingSet(NamedTuple):
    """All training rows on the device.

    Attributes:
        image: (n, d) float32 frozen features, of which the similarity is made.
        text: (n, v) float32. label: (n, l) uint8.
        image_input: (n, d or k) float32 or float16 inputs of the image encoder; may be `image`.
    """

    image: Tensor
    text: Tensor
    label: Tensor
    image_input: Tensor

    def select(self, index: Tensor, own: slice = slice(None)) -> Batch:
        """The rows at `index`, (m,) int64; inputs of `own` alone."""
        frozen, words = self.image[index], self.text[index]
        shared = self.image_input is self.image
        image = frozen[own] if shared else self.image_input[index[own]].float()
        return Batch(index, frozen, words, image, words[own])
