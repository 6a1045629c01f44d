"""The graph of a batch: its adjacency, and the target T that products of codes are to meet."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from agch.batches import Batch, TrainingSet
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.similarity import aggregated_similarity, idf, normalised_adjacency, weighted_rows

SAMPLE = 2048
TOO_HIGH, TOO_FLAT = 0.0, 0.03


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
        self.params = params
        self.image = weighted_rows(rows.image, params.gamma_v, params.gamma_power)
        words = rows.text * idf(rows.text) if params.extensions.idf else rows.text
        self.text = weighted_rows(words, params.gamma_t, params.gamma_power)
        self.scale, self.shift = 2.0, 1.0
        if params.target_scale == "calibrated":
            self.scale, self.shift = self._calibrate(params.target_mean)

    def __call__(self, batch: Batch, image_features: Tensor) -> Graph:
        """The graph of a batch.

        Args:
            image_features: (m, k) penultimate features of the image encoder; they take the place
                of the frozen ones under `similarity_image: encoder`.
        """
        image = self.image[batch.index]
        if self.params.similarity_image == "encoder":
            gamma, power = self.params.gamma_v, self.params.gamma_power
            image = weighted_rows(image_features.detach(), gamma, power)
        similarity = aggregated_similarity(image, self.text[batch.index], self.params)
        return Graph(normalised_adjacency(similarity), self.scale * similarity - self.shift)

    def scale_of_target(self) -> tuple[float, float]:
        """Mean and standard deviation of T off the diagonal, of frozen features, over a sample."""
        others, _ = self._sample()
        target = self.scale * others - self.shift
        return float(target.mean()), float(target.std())

    def _calibrate(self, mean: float) -> tuple[float, float]:
        """Scale and shift that give T this mean off the diagonal, and 1 on it."""
        others, own = self._sample()
        top, middle = float(own.mean()), float(others.mean())
        if not top - middle > 1e-6:
            raise InputError(
                "train.target_scale 'calibrated' finds no training row that differs from the "
                "others; check data/features.h5, or use train.target_scale=paper"
            )
        scale = (1 - mean) / (top - middle)
        return scale, scale * top - 1

    def _sample(self) -> tuple[Tensor, Tensor]:
        """Similarities off and on the diagonal among at most `SAMPLE` rows, evenly spread."""
        count = len(self.image)
        chosen = torch.linspace(0, count - 1, min(count, SAMPLE)).long().to(self.image.device)
        similarity = aggregated_similarity(self.image[chosen], self.text[chosen], self.params)
        diagonal = torch.eye(len(chosen), dtype=torch.bool, device=similarity.device)
        return similarity[~diagonal], similarity[diagonal]


def describe(mean: float, std: float) -> str:
    """One line on the scale of the target, with a warning where it cannot teach."""
    line = f"target off the diagonal: mean {mean:.2f}, standard deviation {std:.2f}"
    remedy = "change train.gamma_v and train.gamma_t, or let AGCH+ calibrate (train.target_scale)"
    if mean > TOO_HIGH:
        return f"{line}\nwarning: a mean above 0 drives all codes to one; {remedy}"
    if std < TOO_FLAT:
        return f"{line}\nwarning: with so little spread there is nothing to learn from; {remedy}"
    return line
