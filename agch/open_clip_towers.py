"""The image towers of CLIP and SigLIP models, through the package open_clip."""

from __future__ import annotations

import difflib
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL.Image import Image, Resampling
from torch import Tensor, nn

from agch.errors import InputError
from agch.files import sha256
from agch.images import Preprocess
from agch.pictures import fit_inside, resize_and_crop
from agch.weights import WeightsError

PREFIX = "open_clip:"


class TowerError(InputError):
    """An image tower that open_clip cannot make."""


class ImageTower(nn.Module):
    """The image side of a model: (b, 3, s, s) pixels -> (b, d) features, not of unit length."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor) -> Tensor:
        features: Tensor = self.model.encode_image(pixels, normalize=False)
        return features


def open_clip_tower(name: str, weights: Path | None) -> tuple[nn.Module, Preprocess, str]:
    """The image tower, its preprocessing, and the digest of its weight file.

    Args:
        name: `open_clip:MODEL/TAG`; the tag states the preprocessing and QuickGELU, and which
            weights open_clip downloads on first use. Without a tag `weights` must be given.
        weights: In place of the download a checkpoint on disk, or a folder as open_clip saves it,
            whose `open_clip_config.json` then states the model and its preprocessing.

    Raises:
        TowerError: open_clip is not installed, or does not know the model or the tag.
        WeightsError: The weights cannot be had or do not fit.
    """
    package = _package(name)
    if weights and weights.is_dir():
        path = _file_in(weights)
        model = _create(package, name, path, model_name=f"local-dir:{weights}")
    else:
        kind, tag = _checked(package, name, needs_tag=weights is None)
        told = package.get_pretrained_cfg(kind, tag)
        path = (weights or _download(package, name, told)).absolute()
        model = _create(
            package,
            name,
            path,
            model_name=kind,
            pretrained=str(path),
            force_quick_gelu=told.get("quick_gelu", False),
            force_preprocess_cfg=told,
        )
    return ImageTower(model), _preprocess(package.get_model_preprocess_cfg(model)), sha256(path)


def _package(name: str) -> ModuleType:
    """open_clip, imported where it is asked for: it is optional, and slow to import."""
    try:
        import open_clip
    except ImportError:
        raise TowerError(
            f"backbone '{name}' needs packages that are not installed; run `make extras`"
        ) from None
    package: ModuleType = open_clip
    return package


def _checked(package: ModuleType, name: str, needs_tag: bool) -> tuple[str, str]:
    """Model and tag of the name; the tag may be empty."""
    kind, _, tag = name.removeprefix(PREFIX).partition("/")
    known = package.list_models()
    if kind not in known:
        raise TowerError(f"open_clip has no model '{kind}'; did you mean {_near(kind, known)}?")
    tags = package.list_pretrained_tags_by_model(kind)
    if tag and not package.is_pretrained_cfg(kind, tag):
        listed = f"did you mean {_near(tag, tags)}?" if tags else "name a file in extract.weights"
        raise TowerError(f"open_clip has no weights '{tag}' of {kind}; {listed}")
    if needs_tag and not tag:
        listed = f"add one, e.g. /{', /'.join(tags[:5])}, or " if tags else ""
        raise TowerError(
            f"backbone '{name}' has no tag of weights; {listed}name a file in extract.weights"
        )
    return kind, tag


def _near(name: str, known: list[str]) -> str:
    return " or ".join(f"'{near}'" for near in difflib.get_close_matches(name, known, 3, 0))


def _file_in(folder: Path) -> Path:
    """The weight file that open_clip chooses in a folder of its own."""
    from open_clip.factory import _find_checkpoint_in_dir

    found = _find_checkpoint_in_dir(folder)
    if not found or not (folder / "open_clip_config.json").is_file():
        raise WeightsError(
            f"extract.weights: {folder} is no folder as open_clip saves it; it needs "
            "open_clip_config.json and a weight file (.safetensors, .bin or .pth)"
        )
    return Path(found)


def _download(package: ModuleType, name: str, told: dict[str, Any]) -> Path:
    try:
        return Path(package.download_pretrained(told))
    except Exception as error:  # of the hub's client, of HTTP, of the disk
        raise WeightsError(
            f"cannot download the {name} weights ({_reason(error)}). Put the checkpoint on this "
            "machine and name it with `-S extract.weights=/path/to/FILE`, or use "
            "`-S extract.backbone=efficientnet_lite0`, whose weights came with the packages"
        ) from None


def _create(package: ModuleType, name: str, path: Path, **options: Any) -> nn.Module:
    """The model with the weights at `path`, by open_clip's own loader of checkpoints."""
    if not path.is_file():
        raise WeightsError(
            f"extract.weights: {path} not found; give a checkpoint of {name}, a folder as "
            "open_clip saves it, or null for the download"
        )
    try:
        model: nn.Module = package.create_model(**options)
    except Exception as error:  # a foreign file ends in any error
        raise WeightsError(
            f"{path} does not make {name} ({_reason(error)}); give a checkpoint of that model, "
            "or a folder as open_clip saves it"
        ) from None
    return model.eval()


def _reason(error: Exception) -> str:
    """What happened, in a line; torch's text on foreign files advises what is unsafe."""
    text = " ".join(str(error).split())
    return "torch cannot read it" if "weights_only" in text else text[:200]


def _preprocess(told: dict[str, Any]) -> Preprocess:
    """open_clip's own preprocessing of pictures to be encoded, with Pillow."""
    sides = {told["size"]} if isinstance(told["size"], int) else set(told["size"])
    if len(sides) > 1:
        raise TowerError(f"the model wants pictures of {told['size']} pixels, expected a square")
    side = sides.pop()
    bilinear = told["interpolation"] == "bilinear"
    resampling = Resampling.BILINEAR if bilinear else Resampling.BICUBIC
    fit = {
        "shortest": partial(resize_and_crop, resize=side, crop=side, resampling=resampling),
        "longest": partial(fit_inside, side=side, margin=told["fill_color"], resampling=resampling),
        "squash": partial(Image.resize, size=(side, side), resample=resampling),
    }[told["resize_mode"]]
    return Preprocess(fit, tuple(told["mean"]), tuple(told["std"]))
