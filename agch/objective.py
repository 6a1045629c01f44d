"""The objective of AGCH (paper section III-D) and of its alternating form.

Every head is row-normalised before it enters a term, so that a product of two rows is a cosine.
Every sum is divided by the m^2 pairs of the batch, which keeps the ratios of Eq. 16: with plain
sums the paper's learning rates saturate tanh within two epochs.

Shapes: `m` rows of a batch, `c` bits; a head is (m, c).
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from agch.hyperparameters import TrainParams
from agch.model import Encoded, Helped

Terms = dict[str, Tensor]


def reconstruction(target: Tensor, a: Tensor, b: Tensor) -> Tensor:
    """Mean over pairs of (T_ij - cos(a_i, b_j))^2 (a term of AGCH Eq. 13 to 15)."""
    return (target - F.normalize(a) @ F.normalize(b).T).square().sum() / target.numel()


def alignment(a: Tensor, b: Tensor) -> Tensor:
    """Sum over rows of ||a_i - b_i||^2 of unit rows, over m^2 (a term of AGCH Eq. 14, 15)."""
    return (F.normalize(a) - F.normalize(b)).square().sum() / len(a) ** 2


def graph_terms(target: Tensor, encoded: Encoded, helped: Helped) -> Tensor:
    """L2: the graph heads reconstruct the target and follow their encoders (AGCH Eq. 14)."""
    loss = target.new_zeros(())
    for graph, head in ((helped.image_gcn, encoded.image), (helped.text_gcn, encoded.text)):
        if graph is not None:
            loss = loss + reconstruction(target, graph, graph) + alignment(graph, head)
    return loss


def joint_terms(target: Tensor, encoded: Encoded, helped: Helped, params: TrainParams) -> Terms:
    """The weighted parts of Eq. 16, by name; their sum is the loss of one joint step."""
    heads = (encoded.image, encoded.text)
    fused = helped.fusion
    return {
        "reconstruction": params.alpha
        * sum_of(reconstruction(target, head, head) for head in (*heads, fused)),
        "graph": params.delta * graph_terms(target, encoded, helped),
        "cross": params.beta * sum_of(reconstruction(target, head, fused) for head in heads),
        "alignment": params.lambda_ * sum_of(alignment(head, fused) for head in heads),
    }


def encoder_terms(
    target: Tensor, encoded: Encoded, helped: Helped, codes: Tensor, params: TrainParams
) -> Terms:
    """F-step: what the encoders minimise while codes, fusion and graph heads are fixed.

    Args:
        codes: (m, c) discrete codes in {-1, +1}; they stand where Eq. 15 has the fusion head.
        helped: Detached here, so that no gradient can reach the fixed block.
    """
    heads = (encoded.image, encoded.text)
    fixed = helped.map(Tensor.detach)
    follow = [
        alignment(graph, head)
        for graph, head in zip((fixed.image_gcn, fixed.text_gcn), heads)
        if graph is not None
    ]
    return {
        "reconstruction": params.alpha
        * sum_of(reconstruction(target, head, head) for head in heads),
        "graph": params.delta * sum_of([target.new_zeros(()), *follow]),
        "cross": params.beta * sum_of(reconstruction(target, head, codes) for head in heads),
        "alignment": params.lambda_ * sum_of(alignment(head, codes) for head in heads),
    }


def helper_terms(
    target: Tensor, encoded: Encoded, helped: Helped, codes: Tensor, params: TrainParams
) -> Terms:
    """B-step, second half: what fusion and graph networks minimise while the encoders are fixed.

    Args:
        helped: Computed from fixed penultimate features, so that no gradient reaches the encoders.
    """
    fixed = Encoded(*(tensor.detach() for tensor in encoded))
    fused = helped.fusion
    return {
        "reconstruction": params.alpha * reconstruction(target, fused, fused),
        "graph": params.delta * graph_terms(target, fixed, helped),
        "alignment": params.lambda_ * alignment(fused, codes),
    }


def discrete_codes(encoded: Encoded, helped: Helped, params: TrainParams) -> Tensor:
    """B-step, first half: the codes nearest to all heads, in closed form; (m, c) of -1 and +1.

    The minimiser over {-1, +1} of sum_k w_k ||B^k - B / sqrt(c)||^2 with unit rows B^k is
    sign(sum_k w_k B^k), since only the product -2 <B^k, B> depends on B. The weights are those of
    the alignment terms: lambda for encoders and fusion, delta for the graph heads.
    sign(0) = -1 (AGCH Eq. 1).
    """
    weighted = [(params.lambda_, head) for head in (encoded.image, encoded.text, helped.fusion)]
    weighted += [
        (params.delta, head) for head in (helped.image_gcn, helped.text_gcn) if head is not None
    ]
    total = sum_of(weight * F.normalize(head.detach()) for weight, head in weighted)
    return torch.where(total > 0, 1.0, -1.0)


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """Sum of scalars or equal shapes, in order."""
    return torch.stack(list(terms)).sum(0)
