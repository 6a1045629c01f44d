"""Features of torchvision's networks against the same layers run by hand."""

import re
from copy import deepcopy

import pytest
import torch
from torch import nn
from torchvision import models

from agch.files import sha256
from agch.torchvision_networks import (
    BUILT_WITH,
    LayerError,
    UpTo,
    torchvision_names,
    torchvision_network,
)
from agch.weights import WeightsError

PIXELS = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """State dict of a random network, in a file."""
    folder = tmp_path_factory.mktemp("weights")

    def save(name):
        path = folder / f"{name}.pth"
        if not path.is_file():
            torch.manual_seed(0)
            torch.save(models.get_model(name, weights=None).state_dict(), path)
        return path

    return save


def loaded(saved, name):
    """Our network and torchvision's own with the same weights, in eval mode."""
    ours, digest = torchvision_network(name, saved(name))
    assert digest == sha256(saved(name))
    theirs = models.get_model(name, weights=None)
    theirs.load_state_dict(torch.load(saved(name)))
    return ours.eval(), theirs.eval()


@torch.inference_mode()
def test_without_a_layer_the_features_are_what_enters_the_classifier(saved):
    ours, theirs = loaded(saved, "resnet18")
    features = UpTo(ours, "resnet18", None)(PIXELS)
    maps = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(PIXELS))))
    maps = theirs.layer4(theirs.layer3(theirs.layer2(theirs.layer1(maps))))
    assert torch.equal(features, theirs.avgpool(maps).flatten(1))
    assert features.shape == (2, 512)
    assert not torch.equal(features[0], features[1])


@torch.inference_mode()
def test_of_a_classifier_with_several_linear_layers_the_last_one_counts(saved):
    ours, theirs = loaded(saved, "mobilenet_v3_small")
    pooled = theirs.avgpool(theirs.features(PIXELS)).flatten(1)
    expected = theirs.classifier[1](theirs.classifier[0](pooled))  # dropout does nothing here
    assert torch.equal(UpTo(ours, "mobilenet_v3_small", None)(PIXELS), expected)
    assert expected.shape == (2, 1024)


@torch.inference_mode()
def test_maps_of_a_layer_are_averaged_over_space(saved):
    ours, theirs = loaded(saved, "resnet18")
    maps = theirs.layer1(theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(PIXELS)))))
    expected = maps.flatten(2).sum(2) / (maps.shape[2] * maps.shape[3])
    torch.testing.assert_close(UpTo(ours, "resnet18", "layer1")(PIXELS), expected)
    assert expected.shape == (2, 64)


@torch.inference_mode()
def test_a_layer_may_lie_deep_and_what_follows_is_not_computed(saved):
    ours, theirs = loaded(saved, "resnet18")
    ours.layer2 = None  # would be an error
    features = UpTo(ours, "resnet18", "layer1.0.bn2")(PIXELS)
    maps = theirs.maxpool(theirs.relu(theirs.bn1(theirs.conv1(PIXELS))))
    block = theirs.layer1[0]
    maps = block.bn2(block.conv2(block.relu(block.bn1(block.conv1(maps)))))
    torch.testing.assert_close(features, maps.mean((2, 3)))


@torch.inference_mode()
def test_a_layer_that_runs_twice_counts_when_it_runs_first():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.times2 = nn.Linear(1, 1, bias=False)
            self.times2.weight.data.fill_(2)

        def forward(self, pixels):
            return self.times2(self.times2(pixels))

    assert UpTo(Twice(), "twice", "times2")(torch.ones(1, 1)).tolist() == [[2]]
    assert UpTo(Twice(), "twice", None)(torch.ones(1, 1)).tolist() == [[1]]


@torch.inference_mode()
def test_tokens_are_averaged_and_the_default_of_a_transformer_is_its_class_token():
    torch.manual_seed(0)
    network = models.VisionTransformer(
        image_size=64, patch_size=16, num_layers=1, num_heads=2, hidden_dim=8, mlp_dim=8
    ).eval()
    seen = []
    handle = network.encoder.register_forward_hook(
        lambda module, given, output: seen.append(output)
    )
    network(PIXELS)
    handle.remove()
    (tokens,) = seen
    assert tokens.shape == (2, 1 + 16, 8)
    assert torch.equal(UpTo(deepcopy(network), "vit", None)(PIXELS), tokens[:, 0])
    torch.testing.assert_close(UpTo(network, "vit", "encoder")(PIXELS), tokens.sum(1) / 17)


@torch.inference_mode()
def test_maps_with_the_channels_last_are_averaged_over_space_all_the_same():
    torch.manual_seed(0)
    network = models.SwinTransformer([4, 4], 8, [1, 1], [1, 1], [2, 2]).eval()
    maps = network.norm(network.features(PIXELS))
    assert maps.shape == (2, 8, 8, 16)
    torch.testing.assert_close(UpTo(network, "swin", "norm")(PIXELS), maps.flatten(1, 2).mean(1))


def test_a_layer_that_is_not_there_is_an_error_with_the_nearest_names(saved):
    network, _ = torchvision_network("resnet18", saved("resnet18"))
    with pytest.raises(LayerError) as caught:
        UpTo(network, "resnet18", "layer4.1.bn3")
    message = str(caught.value)
    assert message.startswith("extract.layer: resnet18 has no 'layer4.1.bn3'; did you mean ")
    assert "'layer4.1.bn2'" in message


def test_a_network_without_a_linear_layer_asks_for_one_of_its_parts(saved):
    network, _ = torchvision_network("squeezenet1_1", saved("squeezenet1_1"))
    with pytest.raises(LayerError) as caught:
        UpTo(network, "squeezenet1_1", None)
    assert str(caught.value) == (
        "squeezenet1_1 has no linear layer, so name the module that gives the features in "
        "extract.layer: 'features', 'classifier', or one inside"
    )
    assert UpTo(network.eval(), "squeezenet1_1", "features")(PIXELS).shape == (2, 512)


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        ("pair", "'pair' of made gives tuple, expected "),
        ("volume", "'volume' of made gives (2, 1, 3, 64, 64), expected "),
        ("idle", "made has 'idle', but does not run it for a picture; "),
    ],
)
def test_a_layer_that_gives_no_features_is_an_error(layer, reason):
    class Made(nn.Module):
        def __init__(self):
            super().__init__()
            self.pair, self.volume, self.idle = (nn.Identity() for _ in range(3))

        def forward(self, pixels):
            return self.volume(self.pair((pixels, pixels))[0].unsqueeze(1))

    with pytest.raises(LayerError, match=f"^extract.layer: {re.escape(reason)}"):
        UpTo(Made(), "made", layer)(PIXELS)


@pytest.mark.parametrize("name", BUILT_WITH)
def test_networks_are_built_as_torchvision_builds_them_for_its_weights(name, monkeypatch):
    with torch.device("meta"):
        ours = models.get_model(name, weights=None, **BUILT_WITH[name])
        kind = models.get_model_weights(name)
        monkeypatch.setattr(kind, "get_state_dict", lambda *_, **__: ours.state_dict())
        theirs = models.get_model(name, weights=kind.DEFAULT)  # loads, so the shapes agree
    assert getattr(ours, "transform_input", None) == getattr(theirs, "transform_input", None)


def test_densenets_file_may_spell_its_layers_in_the_old_way(saved, tmp_path):
    new = torch.load(saved("densenet121"))
    names = {re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name): name for name in new}
    assert "features.denseblock1.denselayer2.norm.1.weight" in names
    torch.save({old: new[name] for old, name in names.items()}, tmp_path / "old.pth")
    network, _ = torchvision_network("densenet121", tmp_path / "old.pth")
    assert all(torch.equal(value, new[name]) for name, value in network.state_dict().items())


def test_every_classifier_can_be_named_and_nothing_else():
    names = torchvision_names()
    assert {"alexnet", "resnet18", "vit_b_16", "squeezenet1_1", "swin_t"} <= set(names)
    assert not {"fcn_resnet50", "raft_small", "resnet3d", "quantized_resnet18"} & set(names)


def test_the_download_is_that_of_the_default_weights(saved, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "agch.torchvision_networks.download",
        lambda *given: asked.append(given) or saved("resnet18"),
    )
    torchvision_network("resnet18", None)
    assert asked == [(models.ResNet18_Weights.DEFAULT.url, "resnet18")]


def test_another_networks_weights_are_refused(saved):
    with pytest.raises(WeightsError, match="holds no state dict of squeezenet1_1"):
        torchvision_network("squeezenet1_1", saved("resnet18"))
