"""The objective of AGCH (paper section III-D) and of its alternating form.

Every head is row-normalised before it enters a term, so that a product of two rows is a cosine.
With nested lengths a term is the mean over the prefixes of these lengths, each normalised.

Shapes: `m` rows of a batch, `c` bits; a head is (m, c).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from agch.hyperparameters import TrainParams
from agch.model import Encoded, Helped

Terms = dict[str, Tensor]


class Units(NamedTuple):
    """All heads of a batch cut to one length, rows scaled to unit length.

    Attributes:
        encoders: (2, m, length), image and text. graphs: Likewise, of the graph networks, or none.
        fusion: (m, length), or none.
    """

    encoders: Tensor
    graphs: Tensor | None
    fusion: Tensor | None


class Objective:
    """The terms of Eq. 13 to 16 under `params`, weighted, by name; their sum is a block's loss."""

    def __init__(self, params: TrainParams) -> None:
        self.params = params

    def joint(self, target: Tensor, encoded: Encoded, helped: Helped) -> Terms:
        """Eq. 16 in one piece. Without fusion each modality follows the other (AGCH-4)."""
        return self._mean(self._joint(target, units) for units in self._units(encoded, helped))

    def encoders(self, target: Tensor, encoded: Encoded, helped: Helped, codes: Tensor) -> Terms:
        """F-step: what the encoders minimise while codes, fusion and graph heads are fixed.

        Args:
            codes: (m, c) discrete codes in {-1, +1}; they stand where Eq. 15 has the fusion head.
            helped: Detached here, so that no gradient can reach the fixed block.
        """
        return self._mean(
            self._encoders(target, units, _unit(codes, units.encoders.shape[2]))
            for units in self._units(encoded, helped.map(Tensor.detach))
        )

    def helpers(self, target: Tensor, encoded: Encoded, helped: Helped, codes: Tensor) -> Terms:
        """B-step, second half: what fusion and graph networks minimise while encoders are fixed.

        Args:
            helped: Computed from fixed penultimate features: no gradient reaches the encoders.
        """
        fixed = Encoded(*(tensor.detach() for tensor in encoded))
        return self._mean(
            self._helpers(target, units, _unit(codes, units.encoders.shape[2]))
            for units in self._units(fixed, helped)
        )

    @torch.no_grad()
    def codes(self, encoded: Encoded, helped: Helped) -> Tensor:
        """B-step, first half: the codes nearest to all heads; (m, c) of -1 and +1.

        The minimiser over {-1, +1} of sum_k w_k ||B^k - B / sqrt(c)||^2 with unit rows B^k is
        sign(sum_k w_k B^k), since only the product -2 <B^k, B> depends on B. The weights are those
        of the alignment terms: lambda for encoders and fusion, delta for the graph heads. Nested
        lengths add one such sum a prefix, each divided as its alignment term is. sign(0) = -1
        (AGCH Eq. 1).
        """
        params = self.params
        total = torch.zeros_like(encoded.image)
        for units in self._units(encoded, helped):
            length = units.encoders.shape[2]
            nearest = params.lambda_ * units.encoders.sum(0)
            if units.fusion is not None:
                nearest += params.lambda_ * units.fusion
            if units.graphs is not None:
                nearest += params.delta * units.graphs.sum(0)
            total[:, :length] += nearest / (length**0.5 * self._divisor(nearest))
        return torch.where(total > 0, 1.0, -1.0)

    def reconstruction(self, target: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Sum over pairs of (T_ij - a_i . b_j)^2 (a term of AGCH Eq. 13 to 15), reduced.

        Unit rows, (m, length) or a stack (k, m, length), over which the terms are added.
        """
        return (target - a @ b.mT).square().sum() / self._divisor(target)

    def alignment(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum over rows of ||a_i - b_i||^2 of unit rows (a term of AGCH Eq. 14, 15), reduced.

        `pairs` divides by m^2, the divisor of the other terms, which keeps the ratios of Eq. 16;
        `entries` by m * c, as the mean squared error of DJSRH's code does; `sum` not at all.
        """
        return (a - b).square().sum() / self._divisor(a)

    def _joint(self, target: Tensor, units: Units) -> Terms:
        params, encoders, fused = self.params, units.encoders, units.fusion
        other = encoders.flip(0) if fused is None else fused
        own = encoders if fused is None else torch.cat([encoders, fused[None]])
        return {
            "reconstruction": params.alpha * self.reconstruction(target, own, own),
            "graph": params.delta * self._graph(target, units),
            "cross": params.beta * self.reconstruction(target, encoders, other),
            "alignment": params.lambda_ * self.alignment(encoders, other),
            **self._extensions(encoders),
        }

    def _encoders(self, target: Tensor, units: Units, codes: Tensor) -> Terms:
        params, encoders, graphs = self.params, units.encoders, units.graphs
        follow = target.new_zeros(()) if graphs is None else self.alignment(encoders, graphs)
        return {
            "reconstruction": params.alpha * self.reconstruction(target, encoders, encoders),
            "graph": params.delta * follow,
            "cross": params.beta * self.reconstruction(target, encoders, codes),
            "alignment": params.lambda_ * self.alignment(encoders, codes),
            **self._extensions(encoders),
        }

    def _helpers(self, target: Tensor, units: Units, codes: Tensor) -> Terms:
        params, fused = self.params, units.fusion
        terms = {"graph": params.delta * self._graph(target, units)}
        if fused is not None:
            terms["reconstruction"] = params.alpha * self.reconstruction(target, fused, fused)
            terms["alignment"] = params.lambda_ * self.alignment(fused, codes)
        return terms

    def _graph(self, target: Tensor, units: Units) -> Tensor:
        """L2: the graph heads reconstruct the target and follow their encoders (AGCH Eq. 14)."""
        graphs = units.graphs
        if graphs is None:
            return target.new_zeros(())
        aligned = self.alignment(graphs, units.encoders)
        return self.reconstruction(target, graphs, graphs) + aligned

    def _extensions(self, encoders: Tensor) -> Terms:
        """What AGCH+ adds to the encoders' loss; nothing in the paper's variant."""
        chosen = self.params.extensions
        if not chosen.contrastive:
            return {}
        image, text = encoders
        return {"contrastive": chosen.contrastive * contrast(image, text, chosen.temperature)}

    def _units(self, encoded: Encoded, helped: Helped) -> Iterator[Units]:
        """The heads at each length, stacked, so that one product serves both modalities."""
        encoders, graphs = torch.stack([encoded.image, encoded.text]), helped.graphs
        for length in self.params.lengths:
            yield Units(
                _unit(encoders, length),
                None if graphs is None else _unit(graphs, length),
                None if helped.fusion is None else _unit(helped.fusion, length),
            )

    def _mean(self, prefixes: Iterable[Terms]) -> Terms:
        """Term by term, over the lengths."""
        each = list(prefixes)
        if len(each) == 1:
            return each[0]
        return {name: sum_of(terms[name] for terms in each) / len(each) for name in each[0]}

    def _divisor(self, summed: Tensor) -> int:
        """What a sum over the entries of `summed`, (m, m) or (..., m, length), is divided by."""
        rows, columns = summed.shape[-2:]
        if self.params.reduction == "pairs":
            return rows**2
        return rows * columns if self.params.reduction == "entries" else 1


class UnitRows(torch.autograd.Function):
    """`F.normalize` over the last axis, with half its operations backwards."""

    @staticmethod
    def forward(context: Any, rows: Tensor) -> Tensor:
        length = torch.linalg.vector_norm(rows, dim=-1, keepdim=True).clamp_min(1e-12)
        unit: Tensor = rows / length
        context.save_for_backward(unit, length)
        return unit

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> Tensor:
        unit, length = context.saved_tensors
        along = (gradient * unit).sum(-1, keepdim=True)
        across: Tensor = (gradient - along * unit) / length
        return across


def _unit(heads: Tensor, length: int) -> Tensor:
    """The first `length` columns, with rows of unit length."""
    unit: Tensor = UnitRows.apply(heads[..., :length])
    return unit


def contrast(a: Tensor, b: Tensor, temperature: float) -> Tensor:
    """InfoNCE: each row of `a` is to find its partner among the rows of `b`, and the reverse.

    Unit rows (m, c); the mean of both directions (van den Oord, Li and Vinyals 2018, in the
    symmetric form that CLIP made common).
    """
    logits, partner = a @ b.T / temperature, torch.arange(len(a), device=a.device)
    return (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2


def sum_of(terms: Iterable[Tensor]) -> Tensor:
    """Sum of scalars or equal shapes, in order."""
    return torch.stack(list(terms)).sum(0)
