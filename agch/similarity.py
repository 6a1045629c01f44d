"""The similarity target that AGCH builds from frozen features (paper section III-C)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def joint_features(
    image: Tensor, text: Tensor, gamma_v: float, gamma_t: float, gamma_power: int
) -> Tensor:
    """Weighted concatenation Z of the normalised modalities (AGCH Eq. 8).

    Args:
        image: (n, d) image features, any scale.
        text: (n, v) tag vectors, any scale; an all-zero row stays zero.
        gamma_v, gamma_t: Weights of the modalities.
        gamma_power: 2 takes Eq. 8 by the letter, so that Eq. 9 gives gamma^2 * cosine;
            1 builds Z so that Eq. 9 gives gamma * cosine, which is what Eq. 10 states.

    Returns:
        (n, d + v). It is not normalised again: the scale of gamma matters to Eq. 12.
    """
    scale_v, scale_t = gamma_v ** (gamma_power / 2), gamma_t ** (gamma_power / 2)
    return torch.cat([scale_v * F.normalize(image), scale_t * F.normalize(text)], dim=1)


def aggregated_similarity(joint: Tensor, rho: float) -> Tensor:
    """Aggregated similarity S = C * D of a batch (AGCH Eq. 9 to 12).

    Args:
        joint: (m, d + v) from `joint_features`.
        rho: Length scale of D.

    Returns:
        (m, m) symmetric, not shifted. The GCN takes it as it is; the losses take 2S - 1.

    Note:
        Eq. 12 prints a second square root that the paper's own example (0.92) does not use;
        neither do we: D = exp(-||Z_i - Z_j|| / rho).
    """
    cosine = joint @ joint.T
    square = cosine.diagonal()
    distance = (square[:, None] + square[None, :] - 2 * cosine).clamp_min(0).sqrt()
    return cosine * torch.exp(-distance / rho)


def normalised_adjacency(similarity: Tensor) -> Tensor:
    """D^-1/2 S D^-1/2 with D the row sums of S (AGCH Eq. 6); (m, m) -> (m, m).

    S must be the unshifted similarity of non-negative features (after a ReLU, and tags): otherwise
    a row sum can be negative and has no root.
    """
    root = similarity.sum(1).clamp_min(1e-12).rsqrt()
    return root[:, None] * similarity * root[None, :]
