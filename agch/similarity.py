"""The similarity that AGCH builds from frozen features (paper section III-C).

Shapes: `m` rows of a batch, `d` image features, `v` words.
"""

from __future__ import annotations

import torch
from torch import Tensor

from agch.hyperparameters import TrainParams


def row_weights(features: Tensor, gamma: float, gamma_power: int) -> Tensor:
    """What scales a modality's rows to their part of Z: to length gamma or its root (AGCH Eq. 8).

    Args:
        features: (m, d or v), any scale; an all-zero row stays zero.
        gamma: Weight of the modality.
        gamma_power: 2 takes Eq. 8 by the letter, so that Eq. 9 gives gamma^2 * cosine;
            1 builds Z so that Eq. 9 gives gamma * cosine, which is what Eq. 10 states.

    Z is the concatenation of both parts and not normalised again: the scale of gamma matters to
    Eq. 12.

    Returns:
        (m, 1)
    """
    length = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    weights: Tensor = gamma ** (gamma_power / 2) / length.clamp_min(1e-12)
    return weights


def weighted_rows(features: Tensor, gamma: float, gamma_power: int) -> Tensor:
    """One modality's part of Z; see `row_weights`."""
    return features * row_weights(features, gamma, gamma_power)


def idf(text: Tensor) -> Tensor:
    """Inverse document frequency log(n / rows with the word); (n, v) -> (v).

    A word that no row has counts as if one row had it. The columns of a text that counts no words,
    but is an embedding, all weigh 1.
    """
    if not ((text >= 0) & (text == text.round())).all():
        return torch.ones(text.shape[1], device=text.device)
    return torch.log(len(text) / (text > 0).sum(0).clamp_min(1))


def aggregated_similarity(image: Tensor, text: Tensor, params: TrainParams) -> Tensor:
    """Similarity S of a batch; (m, d) and (m, v) from `weighted_rows` -> (m, m), not shifted.

    The default is C * D of the concatenation (AGCH Eq. 9 to 12); the others are the paper's
    ablations AGCH-1 (`cosine`: C), AGCH-2 (`distance`: D) and AGCH-3 (`mixed`: C of the text and D
    of the image, added).
    """
    if params.similarity == "mixed":
        share = params.mixed_weight
        return share * products(text) + (1 - share) * decay(products(image), params)
    joint = products(image) + products(text)  # of the concatenation
    if params.similarity == "cosine":
        return joint
    if params.similarity == "distance":
        return decay(joint, params)
    return joint * decay(joint, params)


def products(rows: Tensor) -> Tensor:
    """C of Eq. 9: all inner products; (m, k) -> (m, m)."""
    return rows @ rows.T


def decay(product: Tensor, params: TrainParams) -> Tensor:
    """D of Eq. 12: exp(-||Z_i - Z_j|| / rho); (m, m) inner products of the rows of Z -> (m, m).

    Eq. 12 prints a second square root that the paper's own example (0.92) does not use; it is there
    as `distance: root`.
    """
    square = product.diagonal()
    distance = (square[:, None] + square[None, :] - 2 * product).clamp_min(0).sqrt()
    return torch.exp(-(distance.sqrt() if params.distance == "root" else distance) / params.rho)


def normalised_adjacency(similarity: Tensor) -> Tensor:
    """D^-1/2 S D^-1/2 with D the row sums of S (AGCH Eq. 6); (m, m) -> (m, m).

    S must be the unshifted similarity. Features after a ReLU and tags make it non-negative; where
    embeddings do not, a negative similarity is no edge, because a negative row sum has no root.
    """
    similarity = similarity.clamp_min(0)
    root = similarity.sum(1).clamp_min(1e-12).rsqrt()
    return root[:, None] * similarity * root[None, :]
