"""The objective of AGCH (paper section III-D) and of its alternating form.

Every head is row-normalised before it enters a term, so that a product of two rows is a cosine.
With nested lengths a term is the mean over the prefixes of these lengths, each normalised.

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


class Objective:
    """The terms of Eq. 13 to 16 under `params`, weighted, by name; their sum is a block's loss."""

    def __init__(self, params: TrainParams) -> None:
        self.params = params

    def joint(self, target: Tensor, encoded: Encoded, helped: Helped) -> Terms:
        """Eq. 16 in one piece. Without fusion each modality follows the other (AGCH-4)."""
        params, heads, fused = self.params, (encoded.image, encoded.text), helped.fusion
        own = heads if fused is None else (*heads, fused)
        pairs = [
            (head, other if fused is None else fused) for head, other in zip(heads, heads[::-1])
        ]
        return {
            "reconstruction": params.alpha * sum_of(self.reconstruction(target, k, k) for k in own),
            "graph": params.delta * self.graph(target, encoded, helped),
            "cross": params.beta * sum_of(self.reconstruction(target, *pair) for pair in pairs),
            "alignment": params.lambda_ * sum_of(self.alignment(*pair) for pair in pairs),
            **self.extensions(encoded),
        }

    def encoders(self, target: Tensor, encoded: Encoded, helped: Helped, codes: Tensor) -> Terms:
        """F-step: what the encoders minimise while codes, fusion and graph heads are fixed.

        Args:
            codes: (m, c) discrete codes in {-1, +1}; they stand where Eq. 15 has the fusion head.
            helped: Detached here, so that no gradient can reach the fixed block.
        """
        params, heads = self.params, (encoded.image, encoded.text)
        fixed = helped.map(Tensor.detach)
        follow = [
            self.alignment(graph, head)
            for graph, head in zip((fixed.image_gcn, fixed.text_gcn), heads)
            if graph is not None
        ]
        return {
            "reconstruction": params.alpha
            * sum_of(self.reconstruction(target, head, head) for head in heads),
            "graph": params.delta * sum_of([target.new_zeros(()), *follow]),
            "cross": params.beta
            * sum_of(self.reconstruction(target, head, codes) for head in heads),
            "alignment": params.lambda_ * sum_of(self.alignment(head, codes) for head in heads),
            **self.extensions(encoded),
        }

    def helpers(self, target: Tensor, encoded: Encoded, helped: Helped, codes: Tensor) -> Terms:
        """B-step, second half: what fusion and graph networks minimise while encoders are fixed.

        Args:
            helped: Computed from fixed penultimate features: no gradient reaches the encoders.
        """
        params, fused = self.params, helped.fusion
        fixed = Encoded(*(tensor.detach() for tensor in encoded))
        terms = {"graph": params.delta * self.graph(target, fixed, helped)}
        if fused is not None:
            terms["reconstruction"] = params.alpha * self.reconstruction(target, fused, fused)
            terms["alignment"] = params.lambda_ * self.alignment(fused, codes)
        return terms

    def codes(self, encoded: Encoded, helped: Helped) -> Tensor:
        """B-step, first half: the codes nearest to all heads; (m, c) of -1 and +1.

        The minimiser over {-1, +1} of sum_k w_k ||B^k - B / sqrt(c)||^2 with unit rows B^k is
        sign(sum_k w_k B^k), since only the product -2 <B^k, B> depends on B. The weights are those
        of the alignment terms: lambda for encoders and fusion, delta for the graph heads. Nested
        lengths add one such sum a prefix, each divided as its alignment term is. sign(0) = -1
        (AGCH Eq. 1).
        """
        params = self.params
        weighted = [(params.lambda_, k) for k in (encoded.image, encoded.text, helped.fusion)]
        weighted += [(params.delta, k) for k in (helped.image_gcn, helped.text_gcn)]
        total = torch.zeros_like(encoded.image)
        for weight, head in weighted:
            if head is not None:
                for length in params.lengths:
                    unit = F.normalize(head.detach()[:, :length])
                    divisor = length**0.5 * self._divisor(unit)
                    total[:, :length] += weight / divisor * unit
        return torch.where(total > 0, 1.0, -1.0)

    def reconstruction(self, target: Tensor, a: Tensor, b: Tensor) -> Tensor:
        """Sum over pairs of (T_ij - cos(a_i, b_j))^2 (a term of AGCH Eq. 13 to 15), reduced."""
        return self._mean(
            (target - x @ y.T).square().sum() / self._divisor(target)
            for x, y in self._prefixes(a, b)
        )

    def alignment(self, a: Tensor, b: Tensor) -> Tensor:
        """Sum over rows of ||a_i - b_i||^2 of unit rows (a term of AGCH Eq. 14, 15), reduced.

        `pairs` divides by m^2, the divisor of the other terms, which keeps the ratios of Eq. 16;
        `entries` by m * c, as the mean squared error of DJSRH's code does; `sum` not at all.
        """
        return self._mean(
            (x - y).square().sum() / self._divisor(x) for x, y in self._prefixes(a, b)
        )

    def graph(self, target: Tensor, encoded: Encoded, helped: Helped) -> Tensor:
        """L2: the graph heads reconstruct the target and follow their encoders (AGCH Eq. 14)."""
        loss = target.new_zeros(())
        for graph, head in ((helped.image_gcn, encoded.image), (helped.text_gcn, encoded.text)):
            if graph is not None:
                loss = loss + self.reconstruction(target, graph, graph)
                loss = loss + self.alignment(graph, head)
        return loss

    def extensions(self, encoded: Encoded) -> Terms:
        """What AGCH+ adds to the encoders' loss; nothing in the paper's variant."""
        chosen = self.params.extensions
        if not chosen.contrastive:
            return {}
        loss = self._mean(
            contrast(x, y, chosen.temperature)
            for x, y in self._prefixes(encoded.image, encoded.text)
        )
        return {"contrastive": chosen.contrastive * loss}

    def _prefixes(self, a: Tensor, b: Tensor) -> Iterable[tuple[Tensor, Tensor]]:
        """Both heads cut to each length and scaled to unit rows."""
        for length in self.params.lengths:
            yield F.normalize(a[:, :length]), F.normalize(b[:, :length])

    def _mean(self, losses: Iterable[Tensor]) -> Tensor:
        """Over the prefixes."""
        return sum_of(losses) / len(self.params.lengths)

    def _divisor(self, summed: Tensor) -> int:
        """What a sum over the entries of `summed`, (m, m) or (m, length), is divided by."""
        if self.params.reduction == "pairs":
            return len(summed) ** 2
        return summed.numel() if self.params.reduction == "entries" else 1


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
