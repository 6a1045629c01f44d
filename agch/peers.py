"""Two peers of AGCH on the same encoders: DJSRH and JDSH, their targets and losses.

DJSRH: Su, Zhong and Zhang, ICCV 2019. JDSH: Liu, Qian, Guan, Zhan and Ying, SIGIR 2020. The
constants are those that their authors published for MIRFlickr-25K; nothing is tuned here. Both
lose by mean squared errors between cosines of codes and the target of a batch of `m` rows.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from agch.batches import TrainingSet
from agch.model import Encoded
from agch.objective import Terms

INTRA = 0.1


class DJSRH:
    """Deep joint-semantics reconstructing hashing."""

    IMAGE, DIFFUSED, SCALE = 0.9, 0.4, 1.5

    def __init__(self, rows: TrainingSet, size: int) -> None:
        self.image, self.text = F.normalize(rows.image), F.normalize(rows.text)

    def target(self, index: Tensor) -> Tensor:
        """(m,) rows -> (m, m): both cosines mixed, then mixed with their own product."""
        image, text = _cosines(self.image[index]), _cosines(self.text[index])
        mixed = self.IMAGE * image + (1 - self.IMAGE) * text
        diffused = mixed @ mixed.T / len(index)
        return self.SCALE * ((1 - self.DIFFUSED) * mixed + self.DIFFUSED * diffused)

    def terms(self, target: Tensor, encoded: Encoded) -> Terms:
        """Reconstruction across the modalities, and a tenth of it within each."""
        image, text = F.normalize(encoded.image), F.normalize(encoded.text)
        return {
            "cross": F.mse_loss(image @ text.T, target),
            "intra": INTRA * _within(target, image, text),
        }


class JDSH:
    """Joint-modal distribution-based similarity hashing.

    The joint similarity of a batch is weighted by where a pair lies in the distribution of all
    similarities: a normal curve is fitted to its left half, a Laplace curve to its right one, and
    pairs beyond `NEAR` deviations on either side count more. The fit here is to the batches of the
    training rows in their own order; the paper's program has its numbers written in.
    """

    IMAGE, TEXT, HIGH, SCALE = 0.5, 0.1, 0.4, 1.47
    NEAR = (2.0, 4.0)
    MORE = (0.1, 0.2)

    def __init__(self, rows: TrainingSet, size: int) -> None:
        self.image, self.text = F.normalize(rows.image), F.normalize(rows.text)
        index = torch.arange(len(self.image) // size * size, device=self.image.device)
        others = ~torch.eye(size, dtype=torch.bool, device=index.device)
        seen = torch.cat([self.joint(part)[others] for part in index.split(size)])
        self.lowest, middle, self.highest = seen.min(), seen.median(), seen.max()
        left = (seen[seen <= middle] - middle).square().mean().sqrt()
        right = (seen[seen >= middle] - middle).mean()
        self.low, self.high = middle - self.NEAR[0] * left, middle + self.NEAR[1] * right

    def joint(self, index: Tensor) -> Tensor:
        """(m,) rows -> (m, m): both cosines and the product of their normalised rows."""
        image, text = _cosines(self.image[index]), _cosines(self.text[index])
        high = F.normalize(image) @ F.normalize(text).T
        return self.IMAGE * image + self.TEXT * text + self.HIGH * (high + high.T) / 2

    def target(self, index: Tensor) -> Tensor:
        """The joint similarity with its tails pushed outwards; (m,) -> (m, m)."""
        joint = self.joint(index)
        left = 1 + self.MORE[0] * torch.exp(self.lowest - joint)
        right = 1 + self.MORE[1] * torch.exp(joint - self.highest)
        weight = torch.where(joint < self.low, left, torch.where(joint > self.high, right, 1.0))
        return self.SCALE * weight * joint

    def terms(self, target: Tensor, encoded: Encoded) -> Terms:
        """As DJSRH, with both orders of the modalities, and the two codes of a pair together."""
        image, text = F.normalize(encoded.image), F.normalize(encoded.text)
        cross = image @ text.T
        return {
            "cross": F.mse_loss(cross, target) + F.mse_loss(cross.T, target),
            "intra": INTRA * _within(target, image, text),
            "pairs": -cross.diagonal().mean(),
        }


Peer = DJSRH | JDSH
PEERS: dict[str, Callable[[TrainingSet, int], Peer]] = {"djsrh": DJSRH, "jdsh": JDSH}


def _cosines(unit: Tensor) -> Tensor:
    """Cosines of unit rows, brought from [0, 1] to [-1, 1]."""
    return 2 * unit @ unit.T - 1


def _within(target: Tensor, image: Tensor, text: Tensor) -> Tensor:
    return F.mse_loss(image @ image.T, target) + F.mse_loss(text @ text.T, target)
