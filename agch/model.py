"""The networks of AGCH (paper section III-B): two encoders, the fusion layer, two graph networks.

Only the encoders make codes for queries and database; the rest helps to train them.
Shapes: `m` rows of a batch, `d` image features, `v` words, `c` bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from agch.dropout import Dropout


class Encoder(nn.Module):
    """Prepared features -> hidden layers -> `c` outputs in (-1, 1).

    Args:
        hidden: Ends in a ReLU; its output is the penultimate feature.
        width: Number of penultimate features.
        dropout: Share of the inputs left out in training.
        unit: Scale every input row to unit length first.

    The buffer `weight` of the inputs is 1 until somebody measures it on the training rows; it
    travels with the parameters, so that whoever encodes weighs alike.
    """

    weight: Tensor

    def __init__(
        self,
        inputs: int,
        hidden: nn.Module,
        width: int,
        bits: int,
        dropout: float = 0.0,
        unit: bool = False,
    ) -> None:
        super().__init__()
        self.register_buffer("weight", torch.ones(inputs))
        self.unit = unit
        self.dropout = Dropout(dropout)
        self.hidden = hidden
        self.hash = nn.Linear(width, bits)
        self.tanh_scale = 1.0

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(m, d or v) -> the penultimate (m, width) and the outputs (m, c) before the sign."""
        features = features * self.weight
        if self.unit:
            features = F.normalize(features)
        penultimate = self.hidden(self.dropout(features))
        return penultimate, torch.tanh(self.tanh_scale * self.hash(penultimate))


class GraphNetwork(nn.Module):
    """Two graph convolutions and one linear layer over the graph of a batch (AGCH Eq. 6)."""

    def __init__(self, inputs: int, widths: tuple[int, ...], bits: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, widths[0], bias=False)
        self.second = nn.Linear(widths[0], widths[1], bias=False)
        self.hash = nn.Linear(widths[1], bits)

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        """(m, inputs), (m, m) normalised adjacency -> (m, c) before the tanh."""
        features = torch.relu(adjacency @ self.first(features))
        features = torch.relu(adjacency @ self.second(features))
        logits: Tensor = self.hash(features)
        return logits


class Encoded(NamedTuple):
    """What both encoders say about a batch."""

    image_features: Tensor
    text_features: Tensor
    image: Tensor
    text: Tensor


class Helped(NamedTuple):
    """What the training-time branches say; a branch that is left out is `None`.

    Attributes:
        fusion: (m, c). graphs: (2, m, c), of the image's and the text's graph network.
    """

    fusion: Tensor | None
    graphs: Tensor | None

    def map(self, function: Callable[[Tensor], Tensor]) -> Helped:
        """Apply `function` to every head that is there."""
        return Helped(*(None if head is None else function(head) for head in self))


class AGCH(nn.Module):
    """All networks.

    Args:
        image, text: The encoders.
        fusion: Whether there is a fusion layer (else variant AGCH-4).
        gcn_widths: Of the graph convolutions; empty: no graph branch (variant AGCH-5).
        gcn_detach: Whether the graph branch sends no gradient into the encoders.
    """

    def __init__(
        self,
        image: Encoder,
        text: Encoder,
        fusion: bool,
        gcn_widths: tuple[int, ...],
        gcn_detach: bool,
    ) -> None:
        super().__init__()
        self.image, self.text, self.gcn_detach = image, text, gcn_detach
        widths, bits = (image.hash.in_features, text.hash.in_features), image.hash.out_features
        self.fusion = nn.Linear(sum(widths), bits) if fusion else None
        self.gcn = nn.ModuleDict()
        if gcn_widths:
            for name, width in zip(("image", "text"), widths):
                self.gcn[name] = GraphNetwork(width, gcn_widths, bits)

    def encode(self, image: Tensor, text: Tensor) -> Encoded:
        """(m, d), (m, v) -> penultimate features and outputs of both modalities."""
        image_features, image_output = self.image(image)
        text_features, text_output = self.text(text)
        return Encoded(image_features, text_features, image_output, text_output)

    def help(self, encoded: Encoded, adjacency: Tensor) -> Helped:
        """Fusion of, and graph convolution over, the penultimate features."""
        image, text = encoded.image_features, encoded.text_features
        fused = None if self.fusion is None else self.fusion(torch.cat([image, text], dim=1))
        if not self.gcn:
            return Helped(fused, None).map(self._bound)
        if self.gcn_detach:
            image, text = image.detach(), text.detach()
        graphs = self.gcn["image"](image, adjacency), self.gcn["text"](text, adjacency)
        return Helped(fused, torch.stack(graphs)).map(self._bound)

    def scale_tanh(self, scale: float) -> None:
        """Every head becomes tanh(scale * x); the paper's scale is 1."""
        self.image.tanh_scale = self.text.tanh_scale = scale

    def _bound(self, logits: Tensor) -> Tensor:
        return torch.tanh(self.image.tanh_scale * logits)
