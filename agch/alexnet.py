"""AlexNet, the network of the AGCH paper: fc7 for the similarity, fc6 and fc7 to start from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torchvision import models

from agch.torchvision_networks import torchvision_network
from agch.weights import WeightsError


def alexnet_fc_weights(weights: Path | None, digest: str) -> dict[str, Tensor]:
    """State dict of AlexNet's fc6 and fc7, from the weights that extracted the features.

    Args:
        weights: As for `torchvision_network`.
        digest: Of the weights recorded with the features.

    Raises:
        WeightsError: These are other weights.
    """
    network, found = torchvision_network("alexnet", weights)
    if found != digest:
        raise WeightsError(
            f"train.image_encoder 'alexnet_fc' starts from AlexNet weights {found[:12]}..., but "
            f"the features were extracted with {digest[:12]}...; name the same file in "
            "extract.weights and run `dvc repro extract`"
        )
    classifier = network.get_submodule("classifier").state_dict()
    return {name: classifier[name] for name in ("1.weight", "1.bias", "4.weight", "4.bias")}


class WithPool5(nn.Module):
    """AlexNet's fc7 after ReLU and its pool5, side by side."""

    def __init__(self, network: models.AlexNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        pool5 = self.network.avgpool(self.network.features(pixels)).flatten(1)
        return torch.cat([self.network.classifier[:6](pool5), pool5], dim=1)
