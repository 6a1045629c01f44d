"""Image towers against open_clip's own code, with tiny random models saved in the tests."""

import builtins
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from agch.backbones import open_backbone
from agch.files import sha256
from agch.open_clip_towers import TowerError, open_clip_tower
from agch.weights import WeightsError

ROOT = Path(__file__).parents[2]
TEXT = {"context_length": 8, "vocab_size": 64, "width": 16, "heads": 2, "layers": 1}
CLIP = {
    "embed_dim": 12,
    "vision_cfg": {"image_size": 32, "layers": 1, "width": 16, "head_width": 8, "patch_size": 16},
    "text_cfg": TEXT,
}
SIGLIP = {
    "embed_dim": 64,
    "vision_cfg": {
        "image_size": 32,
        "timm_model_name": "test_vit",
        "timm_pool": "map",
        "timm_proj": "none",
    },
    "text_cfg": TEXT | {"no_causal_mask": True, "proj_bias": True, "pool_type": "last"},
    "custom_text": True,
    "init_logit_bias": -10,
}
SIGLIPS = {"mean": [0.5] * 3, "std": [0.5] * 3, "interpolation": "bicubic", "resize_mode": "squash"}


def picture(width=90, height=60):
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


@pytest.fixture
def open_clip(monkeypatch):
    """open_clip, where the model `tiny` has the weights `one` and `openai`, and `bare` has none."""
    package = pytest.importorskip("open_clip", reason="the extra agch[clip] is not installed")
    known = package.factory._MODEL_CONFIGS, package.pretrained._PRETRAINED
    for name in ("tiny", "bare"):
        monkeypatch.setitem(known[0], name, CLIP)
    tag = package.pretrained._pcfg("https://example.invalid/one.pt", mean=(0.1, 0.2, 0.3))
    quick = package.pretrained._pcfg("https://example.invalid/openai.pt", quick_gelu=True)
    monkeypatch.setitem(known[1], "tiny", {"one": tag, "openai": quick})
    return package


def made(open_clip, config):
    """A random model of a configuration."""
    torch.manual_seed(0)
    kind = open_clip.CustomTextCLIP if "custom_text" in config else open_clip.CLIP
    model = kind(**{key: value for key, value in config.items() if key != "custom_text"})
    return model.eval()


def folder_of(path, model, config, **preprocess):
    """A folder as open_clip saves it."""
    path.mkdir()
    told = {"model_cfg": config, "preprocess_cfg": preprocess}
    (path / "open_clip_config.json").write_text(json.dumps(told), encoding="utf-8")
    torch.save(model.state_dict(), path / "open_clip_pytorch_model.bin")
    return path


@torch.inference_mode()
def test_the_features_are_the_image_towers_and_not_of_unit_length(open_clip, tmp_path):
    model = made(open_clip, CLIP)
    folder = folder_of(tmp_path / "clip", model, CLIP)
    backbone = open_backbone("open_clip:tiny", None, folder, pool5=False)
    pixels = torch.stack([backbone.preprocess(picture()), backbone.preprocess(picture(60, 90))])
    features = backbone.network(pixels)
    assert features.shape == (2, backbone.dim) == (2, 12)
    assert torch.equal(features, model.visual(pixels))
    assert (features.norm(dim=1) - 1).abs().min() > 0.01
    assert not torch.equal(features[0], features[1])
    assert backbone.weights_sha256 == sha256(folder / "open_clip_pytorch_model.bin")
    assert (backbone.pool5, backbone.network.training) == (0, False)


@torch.inference_mode()
def test_a_siglip_of_timm_sees_squashed_pictures(open_clip, tmp_path):
    model = made(open_clip, SIGLIP)
    folder = folder_of(tmp_path / "siglip", model, SIGLIP, **SIGLIPS)
    backbone = open_backbone("open_clip:tiny-siglip", None, folder, pool5=False)
    pixels = backbone.preprocess(picture())
    by_hand = np.asarray(picture().resize((32, 32), Image.Resampling.BICUBIC)) / 127.5 - 1
    np.testing.assert_allclose(pixels.permute(1, 2, 0), by_hand, atol=1e-6)
    assert torch.equal(backbone.network(pixels[None]), model.encode_image(pixels[None]))
    assert backbone.dim == 64


@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
@pytest.mark.parametrize("mode", ["shortest", "longest", "squash"])
def test_pictures_are_prepared_as_open_clip_does(open_clip, tmp_path, mode, interpolation):
    told = {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "fill_color": 100}
    told |= {"resize_mode": mode, "interpolation": interpolation}
    folder = folder_of(tmp_path / "clip", made(open_clip, CLIP), CLIP, **told)
    _, preprocess, _ = open_clip_tower("open_clip:tiny", folder)
    theirs = open_clip.image_transform(32, is_train=False, **told)
    for size in ((64, 32), (40, 120), (32, 32), (16, 8)):
        torch.testing.assert_close(preprocess(picture(*size)), theirs(picture(*size)))


@torch.inference_mode()
def test_a_checkpoint_fits_a_model_that_open_clip_knows(open_clip, tmp_path):
    model, path = made(open_clip, CLIP), tmp_path / "model.pt"
    torch.save({"epoch": 1, "state_dict": model.state_dict()}, path)
    tower, preprocess, digest = open_clip_tower("open_clip:tiny/one", path)
    pixels = preprocess(Image.new("RGB", (50, 40)))
    assert torch.equal(tower(pixels[None]), model.visual(pixels[None]))
    # black is 0, and the tag states the mean: (0 - 0.3) / std of OpenAI's data set
    assert pixels[2, 0, 0].item() == pytest.approx(-0.3 / 0.27577711)
    assert digest == sha256(path)


@torch.inference_mode()
def test_a_tag_that_was_trained_with_quick_gelu_gets_it(open_clip, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(made(open_clip, CLIP).state_dict(), path)
    one, openai, none = (
        open_clip_tower(f"open_clip:tiny{tag}", path)[0] for tag in ("/one", "/openai", "")
    )
    quick = made(open_clip, CLIP | {"quick_gelu": True})
    pixels = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    assert torch.equal(openai(pixels), quick.visual(pixels))
    assert torch.equal(one(pixels), none(pixels))
    assert not torch.equal(one(pixels), openai(pixels))


def test_without_a_file_the_tags_weights_are_downloaded(open_clip, tmp_path, monkeypatch):
    path, asked = tmp_path / "model.pt", []
    torch.save(made(open_clip, CLIP).state_dict(), path)
    monkeypatch.setattr(open_clip, "download_pretrained", lambda told: asked.append(told) or path)
    assert open_clip_tower("open_clip:tiny/one", None)[2] == sha256(path)
    assert [told["url"] for told in asked] == ["https://example.invalid/one.pt"]


def test_a_failed_download_names_both_ways_around_it(open_clip, monkeypatch):
    def fail(told):
        raise OSError("no\nroute")

    monkeypatch.setattr(open_clip, "download_pretrained", fail)
    with pytest.raises(WeightsError) as caught:
        open_clip_tower("open_clip:tiny/one", None)
    message = str(caught.value)
    assert message.startswith("cannot download the open_clip:tiny/one weights (no route). ")
    assert "-S extract.weights=/path/to/FILE" in message
    assert "-S extract.backbone=efficientnet_lite0" in message


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("open_clip:ViT-B-33/openai", "open_clip has no model 'ViT-B-33'; did you mean 'ViT-B-32'"),
        ("open_clip:tiny/two", "open_clip has no weights 'two' of tiny; did you mean 'o"),
        ("open_clip:bare/two", "no weights 'two' of bare; name a file in extract.weights"),
        ("open_clip:tiny", "'open_clip:tiny' has no tag of weights; add one, e.g. /one, /openai,"),
        ("open_clip:bare", "'open_clip:bare' has no tag of weights; name a file in extract.w"),
        ("open_clip:hf-hub:org/model", "open_clip has no model 'hf-hub:org'; did you mean "),
    ],
)
def test_a_model_or_tag_that_open_clip_does_not_know_is_an_error(open_clip, name, reason):
    with pytest.raises(TowerError, match=reason):
        open_clip_tower(name, None)


@pytest.mark.parametrize("content", [b"", b"no weights", b"PK\x03\x04 no archive"])
def test_a_file_that_is_no_checkpoint_is_refused(open_clip, tmp_path, content):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(WeightsError) as caught:
        open_clip_tower("open_clip:tiny", path)
    message = str(caught.value)
    assert message.startswith(f"{path} does not make open_clip:tiny (")
    assert message.endswith("give a checkpoint of that model, or a folder as open_clip saves it")
    assert "weights_only" not in message, "the user must not be told to switch the protection off"


def test_another_models_checkpoint_is_refused_with_what_differs(open_clip, tmp_path):
    path = tmp_path / "model.pt"
    torch.save(made(open_clip, CLIP | {"embed_dim": 10}).state_dict(), path)
    with pytest.raises(WeightsError, match="does not make open_clip:tiny .*Error.*state_dict"):
        open_clip_tower("open_clip:tiny", path)


def test_a_file_that_is_not_there_is_named(open_clip, tmp_path):
    with pytest.raises(WeightsError, match="extract.weights: .*missing.pt not found; give a che"):
        open_clip_tower("open_clip:tiny", tmp_path / "missing.pt")


@pytest.mark.parametrize("missing", ["open_clip_config.json", "open_clip_pytorch_model.bin"])
def test_a_folder_without_its_files_is_refused(open_clip, tmp_path, missing):
    folder = folder_of(tmp_path / "clip", made(open_clip, CLIP), CLIP)
    (folder / missing).unlink()
    with pytest.raises(WeightsError, match="extract.weights: .* is no folder as open_clip saves"):
        open_clip_tower("open_clip:tiny", folder)


def test_pictures_that_are_not_square_are_refused(open_clip, tmp_path):
    config = CLIP | {"vision_cfg": CLIP["vision_cfg"] | {"image_size": [32, 64]}}
    folder = folder_of(tmp_path / "clip", made(open_clip, config), config)
    with pytest.raises(TowerError, match=r"wants pictures of \[32, 64\] pixels, expected a sq"):
        open_clip_tower("open_clip:tiny", folder)


def test_without_the_package_the_extra_is_named(monkeypatch):
    real = builtins.__import__

    def without(name, *rest):
        if name == "open_clip":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(TowerError) as caught:
        open_clip_tower("open_clip:ViT-B-32/openai", None)
    assert str(caught.value) == (
        "backbone 'open_clip:ViT-B-32/openai' needs packages that are not installed; run "
        "`make extras`"
    )


WATCH = """
import sys
from pathlib import Path
asked = []
watched = {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto"}
sys.addaudithook(lambda event, args: event in watched and asked.append((event, args[-1])))
from agch.backbones import open_backbone
assert "open_clip" not in sys.modules
print(open_backbone("open_clip:tiny", None, Path(sys.argv[1]), False).dim, asked)
"""


def test_opening_a_tower_of_a_folder_asks_no_network(open_clip, tmp_path):
    folder = folder_of(tmp_path / "clip", made(open_clip, CLIP), CLIP)
    done = subprocess.run(
        [sys.executable, "-c", WATCH, str(folder)],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("12 []\n", "")
