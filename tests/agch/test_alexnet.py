"""AlexNet's last layers: the columns that extract stores, the weights that training starts from."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.functional import linear
from torchvision import models

from agch.alexnet import WithPool5, alexnet_fc_weights
from agch.backbones import open_backbone
from agch.encoders import POOL5, alexnet_fc
from agch.files import sha256
from agch.weights import WeightsError

PIXELS = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def small_alexnet():
    """AlexNet's parts at a size to do in the head: four pixels, doubled; two units, two more."""
    fc6, fc7 = nn.Linear(4, 2, bias=False), nn.Linear(2, 2, bias=False)
    fc6.weight.data = torch.tensor([[1.0, 1, 1, 1], [-1, 0, 0, 0]])
    fc7.weight.data = torch.tensor([[1.0, 5], [-1, 5]])
    layers = nn.Identity(), fc6, nn.ReLU(), nn.Identity(), fc7, nn.ReLU(), nn.Linear(2, 1)
    return SimpleNamespace(
        features=lambda pixels: 2 * pixels,
        avgpool=nn.Identity(),
        classifier=nn.Sequential(*layers),
    )


@torch.inference_mode()
def test_fc7_comes_first_and_pool5_behind_it():
    # 1 2 3 4 doubled are pool5; fc6 = (20, -2), after ReLU (20, 0); fc7 = (20, -20), so (20, 0)
    pixels = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])
    assert WithPool5(small_alexnet())(pixels).tolist() == [[20, 0, 2, 4, 6, 8]]


@torch.inference_mode()
def test_columns_of_a_backbone_with_pool5(alexnet_weights):
    backbone = open_backbone("alexnet", None, alexnet_weights, pool5=True)
    columns = backbone.network(PIXELS)
    assert columns.shape == (2, backbone.dim + backbone.pool5) == (2, 4096 + 9216)
    fc7, pool5 = columns.split([4096, 9216], dim=1)
    plain = open_backbone("alexnet", None, alexnet_weights, pool5=False)
    assert torch.equal(fc7, plain.network(PIXELS))
    reference = models.alexnet(weights=None).eval()
    reference.load_state_dict(torch.load(alexnet_weights))
    torch.testing.assert_close(pool5, reference.avgpool(reference.features(PIXELS)).flatten(1))
    assert not torch.equal(pool5[0], pool5[1])
    assert backbone.weights_sha256 == plain.weights_sha256 == sha256(alexnet_weights)


@torch.inference_mode()
def test_weights_to_start_from_are_fc6_and_fc7_of_the_file(alexnet_weights):
    found = alexnet_fc_weights(alexnet_weights, sha256(alexnet_weights))
    state = torch.load(alexnet_weights)
    assert set(found) == {"1.weight", "1.bias", "4.weight", "4.bias"}
    assert all(torch.equal(value, state[f"classifier.{name}"]) for name, value in found.items())


@torch.inference_mode()
def test_layers_that_start_from_them_turn_pool5_into_fc7(alexnet_weights):
    # so before training the encoder's penultimate features are the ones that make the similarity
    layers = alexnet_fc()
    layers.load_state_dict(alexnet_fc_weights(alexnet_weights, sha256(alexnet_weights)))
    network = open_backbone("alexnet", None, alexnet_weights, pool5=True).network
    fc7, pool5 = network(PIXELS).split([4096, POOL5], dim=1)
    torch.testing.assert_close(layers.eval()(pool5), fc7)
    by_hand = pool5
    for layer in (layers[1], layers[4]):
        by_hand = linear(by_hand, layer.weight, layer.bias).relu()
    torch.testing.assert_close(by_hand, fc7)


@pytest.mark.parametrize("weights", [True, False], ids=["a file", "torchvision's"])
def test_other_weights_than_those_of_the_features_are_an_error_with_both_digests(
    alexnet_weights, monkeypatch, weights
):
    monkeypatch.setattr("agch.torchvision_networks.download", lambda url, name: alexnet_weights)
    recorded = "0123456789ab" + "f" * 52
    with pytest.raises(WeightsError) as caught:
        alexnet_fc_weights(alexnet_weights if weights else None, recorded)
    assert str(caught.value) == (
        "train.image_encoder 'alexnet_fc' starts from AlexNet weights "
        f"{sha256(alexnet_weights)[:12]}..., but the features were extracted with "
        "0123456789ab...; name the same file in extract.weights and run `dvc repro extract`"
    )


def test_without_a_file_the_weights_are_torchvisions(alexnet_weights, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "agch.torchvision_networks.download",
        lambda url, name: asked.append((url, name)) or alexnet_weights,
    )
    alexnet_fc_weights(None, sha256(alexnet_weights))
    assert asked == [(models.AlexNet_Weights.IMAGENET1K_V1.url, "alexnet")]


def test_a_file_that_is_not_there_is_named(tmp_path):
    path = tmp_path / "missing.pth"
    with pytest.raises(WeightsError, match="extract.weights: .*missing.pth not found; .* alexnet"):
        alexnet_fc_weights(path, "digest")
