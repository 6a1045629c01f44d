"""The graph of a batch: its adjacency, and the target T that products of codes are to meet."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from agch.batches import Batch, TrainingSet
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.similarity import (
    aggregated_similarity,
    idf,
    normalised_adjacency,
    row_weights,
    weighted_rows,
)

SAMPLE = 2048
TOO_HIGH, TOO_FLAT = 0.0, 0.03
SAME = 1e-3
"""How far, relatively, rounding keeps the similarities of equal rows apart, through a root."""


class Graph(NamedTuple):
    """(m, m) normalised adjacency of the unshifted similarity S, and (m, m) target T."""

    adjacency: Tensor
    target: Tensor


class Graphs:
    """Builds the graph of any batch from the training set's frozen features.

    Attributes:
        scale, shift: T = scale * S - shift. The paper's are 2 and 1.
    """

    def __init__(self, rows: TrainingSet, params: TrainParams) -> None:
        self.rows, self.params = rows, params
        width = rows.text.shape[1]
        self.words = idf(rows.text) if params.extensions.idf else rows.text.new_ones(width)
        power = params.gamma_power
        self.image_weight = row_weights(rows.image, params.gamma_v, power)
        self.text_weight = row_weights(rows.text * self.words, params.gamma_t, power)
        self.own, self.mean, self.std = self._measured()
        self.scale, self.shift = 2.0, 1.0
        if params.target_scale == "calibrated":
            self.scale, self.shift = self._calibrate(params.target_mean)

    def __call__(self, batch: Batch, image_features: Tensor) -> Graph:
        """The graph of a batch.

        Args:
            image_features: (m, k) penultimate features of the image encoder; they take the place
                of the frozen ones under `similarity_image: encoder`.
        """
        image, text = self._parts(batch)
        if self.params.similarity_image == "encoder":
            gamma, power = self.params.gamma_v, self.params.gamma_power
            image = weighted_rows(image_features.detach(), gamma, power)
        similarity = aggregated_similarity(image, text, self.params)
        return Graph(normalised_adjacency(similarity), self.scale * similarity - self.shift)

    def _parts(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Both modalities' parts of Z, (m, d) and (m, v)."""
        image = batch.frozen * self.image_weight[batch.index]
        return image, batch.words * self.words * self.text_weight[batch.index]

    def scale_of_target(self) -> tuple[float, float]:
        """Mean and standard deviation of T off the diagonal, of frozen features, over a sample."""
        return self.scale * self.mean - self.shift, self.scale * self.std

    def _calibrate(self, mean: float) -> tuple[float, float]:
        """Scale and shift that give T this mean off the diagonal, and 1 on it."""
        if not self.own - self.mean > SAME * self.own:
            raise InputError(
                "train.target_scale 'calibrated' finds no training row that differs from the "
                "others; check data/features.h5, or use train.target_scale=paper"
            )
        scale = (1 - mean) / (self.own - self.mean)
        return scale, scale * self.own - 1

    def _measured(self) -> tuple[float, float, float]:
        """Of S among at most `SAMPLE` rows, evenly spread: mean on, mean and deviation off the
        diagonal.
        """
        count = len(self.rows.image)
        chosen = torch.linspace(0, count - 1, min(count, SAMPLE)).long().to(self.words.device)
        similarity = aggregated_similarity(*self._parts(self.rows.select(chosen)), self.params)
        diagonal = torch.eye(len(chosen), dtype=torch.bool, device=similarity.device)
        own, others = similarity[diagonal], similarity[~diagonal]
        return float(own.mean()), float(others.mean()), float(others.std())


def describe(mean: float, std: float) -> str:
    """One line on the scale of the target, with a warning where it cannot teach."""
    line = f"target off the diagonal: mean {mean:.2f}, standard deviation {std:.2f}"
    remedy = "change train.gamma_v and train.gamma_t, or let AGCH+ calibrate (train.target_scale)"
    if mean > TOO_HIGH:
        return f"{line}\nwarning: a mean above 0 drives all codes to one; {remedy}"
    if std < TOO_FLAT:
        return f"{line}\nwarning: with so little spread there is nothing to learn from; {remedy}"
    return line
