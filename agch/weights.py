"""Weight files of backbones: where they come from, and whether they fit."""

from __future__ import annotations

from pathlib import Path
from urllib.error import URLError

import torch
from torch import nn

from agch.errors import InputError


class WeightsError(InputError):
    """Weights that cannot be had or do not fit the network."""


def download(url: str, name: str) -> Path:
    """Fetch torchvision's weight file of network `name` into torch's cache, its digest checked.

    Raises:
        WeightsError: It cannot be fetched; names the ways around it.
    """
    path = Path(torch.hub.get_dir()) / "checkpoints" / url.rsplit("/", 1)[1]
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rsplit("-", 1)[1])
        except (URLError, OSError, RuntimeError) as error:
            raise WeightsError(
                f"cannot download the {name} weights ({error}). Put the file {path.name} on this "
                f"machine and name it with `-S extract.weights=/path/to/{path.name}`, or use "
                "`-S extract.backbone=efficientnet_lite0`, whose weights came with the packages"
            ) from None
    return path


def load(network: nn.Module, path: Path, name: str) -> None:
    """Load the state dict at `path` into the network called `name`.

    Raises:
        WeightsError: No such file, no state dict, or another network's.
    """
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
