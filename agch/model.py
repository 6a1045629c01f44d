"""The networks of AGCH (paper section III-B): two encoders, the fusion layer, two graph networks.

Only the encoders make codes for queries and database; the rest helps to train them.
Shapes: `m` rows of a batch, `d` image features, `v` words, `c` bits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn


class Encoder(nn.Module):
    """Features -> hidden layer -> `c` outputs in (-1, 1)."""

    def __init__(self, inputs: int, hidden: int, bits: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(inputs, hidden)
        self.hash = nn.Linear(hidden, bits)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """(m, d or v) -> the penultimate (m, hidden) and the outputs (m, c) before the sign."""
        penultimate = torch.relu(self.hidden(features))
        return penultimate, torch.tanh(self.hash(penultimate))


class GraphNetwork(nn.Module):
    """Two graph convolutions and one linear layer over the graph of a batch (AGCH Eq. 6)."""

    def __init__(self, inputs: int, hidden: int, bits: int) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, hidden, bias=False)
        self.second = nn.Linear(hidden, hidden, bias=False)
        self.hash = nn.Linear(hidden, bits)

    def forward(self, features: Tensor, adjacency: Tensor) -> Tensor:
        """(m, inputs), (m, m) normalised adjacency -> (m, c)."""
        features = torch.relu(adjacency @ self.first(features))
        features = torch.relu(adjacency @ self.second(features))
        return torch.tanh(self.hash(features))


class Encoded(NamedTuple):
    """What both encoders say about a batch."""

    image_features: Tensor
    text_features: Tensor
    image: Tensor
    text: Tensor


class Helped(NamedTuple):
    """What the training-time branches say; without graph networks the last two are `None`."""

    fusion: Tensor
    image_gcn: Tensor | None
    text_gcn: Tensor | None

    def map(self, function: Callable[[Tensor], Tensor]) -> Helped:
        """Apply `function` to every head that is there."""
        return Helped(
            function(self.fusion),
            None if self.image_gcn is None else function(self.image_gcn),
            None if self.text_gcn is None else function(self.text_gcn),
        )


class AGCH(nn.Module):
    """All networks. With `gcn_hidden` 0 there is no graph branch (variant AGCH-5)."""

    def __init__(
        self, image_dim: int, text_dim: int, bits: int, hidden: int, gcn_hidden: int
    ) -> None:
        super().__init__()
        self.image = Encoder(image_dim, hidden, bits)
        self.text = Encoder(text_dim, hidden, bits)
        self.fusion = nn.Linear(2 * hidden, bits)
        self.gcn = nn.ModuleDict()
        if gcn_hidden:
            self.gcn["image"] = GraphNetwork(hidden, gcn_hidden, bits)
            self.gcn["text"] = GraphNetwork(hidden, gcn_hidden, bits)

    def encode(self, image: Tensor, text: Tensor) -> Encoded:
        """(m, d), (m, v) -> penultimate features and outputs of both modalities."""
        image_features, image_output = self.image(image)
        text_features, text_output = self.text(text)
        return Encoded(image_features, text_features, image_output, text_output)

    def help(self, encoded: Encoded, adjacency: Tensor) -> Helped:
        """Fusion of, and graph convolution over, the penultimate features; each (m, c)."""
        both = torch.cat([encoded.image_features, encoded.text_features], dim=1)
        fused = torch.tanh(self.fusion(both))
        if not self.gcn:
            return Helped(fused, None, None)
        return Helped(
            fused,
            self.gcn["image"](encoded.image_features, adjacency),
            self.gcn["text"](encoded.text_features, adjacency),
        )
