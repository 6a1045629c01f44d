"""The floor every table shows: random codes, and PCA + CCA + ITQ, the classical linear method.

All linear algebra runs in torch, whose kernels the pipeline pins, in float64.
Shapes: `n` rows, `d` image features, `v` words, `p` principal components, `c` bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from agch.errors import InputError


@dataclass(frozen=True)
class Projection:
    """An affine map of one modality to outputs whose signs are the codes."""

    mean: Tensor
    weight: Tensor

    def __call__(self, features: Tensor) -> Tensor:
        """(n, d or v) any float -> (n, c) float64."""
        outputs: Tensor = (features.double() - self.mean) @ self.weight
        return outputs


class TooFewComponents(InputError):
    """Data of so few dimensions that CCA-ITQ has no code of the length asked for."""


def random_outputs(rows: int, bits: int, generator: Generator) -> Tensor:
    """(rows, bits) standard normal outputs: codes that know nothing of the data."""
    return torch.randn(rows, bits, generator=generator)


def cca_itq(
    image: Tensor,
    text: Tensor,
    bits: int,
    components: int,
    shrinkage: float,
    iterations: int,
    generator: Generator,
) -> tuple[Projection, Projection]:
    """Fit CCA on the principal components of both modalities, then the ITQ rotation.

    CCA-ITQ after Gong, Lazebnik, Gordo and Perronnin (2013), unsupervised: tags are the second
    view. Canonical directions are scaled by their correlations, as there.

    Args:
        image: (n, d) training features; rows of unit length (`unit_rows`).
        text: (n, v) training tag vectors; rows of unit length (`unit_rows`).
        bits: `c`, at most the number of principal components of either modality.
        components: Principal components kept, at most; as many as the data has otherwise.
        shrinkage: Ridge of the covariances, relative to their mean variance.
        iterations: Rounds of ITQ.
        generator: Starts the rotation.

    Returns:
        The projections of image and text.

    Raises:
        TooFewComponents: More bits than the data has principal components.
    """
    views = [_principal(view, components, bits) for view in (image, text)]
    (x, _), (y, _) = views
    whiten = [_inverse_root(_covariance(view, shrinkage)) for view, _ in views]
    left, correlation, right = torch.linalg.svd(whiten[0] @ (x.T @ y / len(x)) @ whiten[1])
    directions = [whiten[0] @ left[:, :bits], whiten[1] @ right.T[:, :bits]]
    directions = [direction * correlation[:bits] for direction in directions]
    together = torch.cat([x @ directions[0], y @ directions[1]])
    rotation = itq_rotation(together, iterations, generator)
    image_map, text_map = (
        Projection(projection.mean, projection.weight @ direction @ rotation)
        for (_, projection), direction in zip(views, directions, strict=True)
    )
    return image_map, text_map


def itq_rotation(outputs: Tensor, iterations: int, generator: Generator) -> Tensor:
    """Orthogonal (c, c) R that brings `outputs` R, (n, c), close to its signs.

    Alternates B = sign(V R) and the orthogonal Procrustes solution for R
    (Gong and Lazebnik 2011).
    """
    start = torch.randn(outputs.shape[1], outputs.shape[1], generator=generator).double()
    rotation: Tensor = torch.linalg.qr(start).Q
    for _ in range(iterations):
        codes = torch.where(outputs @ rotation > 0, 1.0, -1.0).double()
        left, _, right = torch.linalg.svd(codes.T @ outputs)
        rotation = right.T @ left.T
    return rotation


def unit_rows(features: Tensor) -> Tensor:
    """Rows scaled to unit length; a zero row stays zero."""
    unit: Tensor = F.normalize(features.double())
    return unit


def _principal(features: Tensor, components: int, bits: int) -> tuple[Tensor, Projection]:
    """(n, p) scores of the leading components, and the map to them."""
    mean = features.double().mean(0)
    centred = features.double() - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    rank = int((values > values[-1] * 1e-10).sum())
    kept = min(components, rank)
    if kept < bits:
        raise TooFewComponents(
            f"CCA-ITQ needs at least {bits} principal components for {bits} bits, but only {kept} "
            "are there; lower train.bits, raise baseline.components, or add training rows"
        )
    weight = vectors.flip(1)[:, :kept]
    return centred @ weight, Projection(mean, weight)


def _covariance(scores: Tensor, shrinkage: float) -> Tensor:
    covariance = scores.T @ scores / len(scores)
    ridge = shrinkage * covariance.diagonal().mean()
    return covariance + ridge * torch.eye(len(covariance), dtype=covariance.dtype)


def _inverse_root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    root: Tensor = vectors @ torch.diag(values.rsqrt()) @ vectors.T
    return root
