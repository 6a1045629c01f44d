"""torchvision's classifiers as feature extractors: the network, its weights, the layer to read."""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Any, NoReturn

from torch import Tensor, nn
from torchvision import models

from agch.errors import InputError
from agch.files import sha256
from agch.weights import download, load

BUILT_WITH: dict[str, dict[str, object]] = {
    "googlenet": {"transform_input": True, "init_weights": False},
    "inception_v3": {"transform_input": True, "init_weights": False},
    "vit_h_14": {"image_size": 518},
}
"""What torchvision builds a network with where it loads the default weights, and not otherwise."""


class LayerError(InputError):
    """A layer that a network does not have, or that gives no features."""


def torchvision_names() -> list[str]:
    """Every classifier of torchvision."""
    names: list[str] = models.list_models(module=models)
    return names


def torchvision_network(name: str, weights: Path | None) -> tuple[nn.Module, str]:
    """The whole network with its weights, and the digest of their file.

    Args:
        name: One of `torchvision_names`.
        weights: torchvision's state dict on disk; without it torchvision's default weights are
            downloaded on first use and their digest checked.

    Raises:
        WeightsError: They cannot be had or do not fit.
    """
    network: nn.Module = models.get_model(name, weights=None, **BUILT_WITH.get(name, {}))
    if isinstance(network, models.DenseNet):
        network.register_load_state_dict_pre_hook(_without_old_names)
    path = weights or download(models.get_model_weights(name).DEFAULT.url, name)
    load(network, path, name)
    return network, sha256(path)


class UpTo(nn.Module):
    """A network up to one of its modules: (b, 3, h, w) pixels -> (b, d) features.

    What comes after that module is not computed. A module that runs several times, as a shared
    ReLU, counts when it runs first. Tokens (b, t, d) are averaged over t, and maps over space.
    """

    def __init__(self, network: nn.Module, name: str, layer: str | None) -> None:
        """Read the output of module `layer`, or without one what enters the last linear layer.

        Args:
            network: Any network.
            name: Its name, for messages.
            layer: A dotted name as in `network.named_modules()`.

        Raises:
            LayerError: No such module, or no linear layer.
        """
        super().__init__()
        self.network = network
        self.name = name
        self.layer = layer
        if layer is None:
            _last_linear(network, name).register_forward_pre_hook(_stop_before)
        else:
            _module(network, name, layer).register_forward_hook(_stop_after)

    def forward(self, pixels: Tensor) -> Tensor:
        try:
            self.network(pixels)
        except _Reached as reached:
            return self._features(reached.output)
        raise LayerError(
            f"extract.layer: {self.name} has '{self.layer}', but does not run it for a picture; "
            "name another layer, or null for what enters the last linear one"
        )

    def _features(self, output: object) -> Tensor:
        if isinstance(output, Tensor) and 2 <= output.ndim <= 4:
            return _pooled(output)
        shape = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise LayerError(
            f"extract.layer: '{self.layer}' of {self.name} gives {shape}, expected (b, d) "
            "features, (b, t, d) tokens or (b, c, h, w) maps; name another layer"
        )


class _Reached(Exception):
    """Leaves the network's forward pass with what is to be read."""

    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output


def _stop_before(module: nn.Module, inputs: tuple[Tensor, ...]) -> NoReturn:
    raise _Reached(inputs[0])


def _stop_after(module: nn.Module, inputs: object, output: object) -> NoReturn:
    raise _Reached(output)


def _pooled(output: Tensor) -> Tensor:
    """Maps are (b, c, s, s), or in Swin (b, s, s, c), because every picture is square."""
    if output.ndim == 4:
        return output.mean((2, 3) if output.shape[2] == output.shape[3] else (1, 2))
    return output.mean(1) if output.ndim == 3 else output


def _last_linear(network: nn.Module, name: str) -> nn.Module:
    linear = [module for module in network.modules() if isinstance(module, nn.Linear)]
    if not linear:
        parts = ", ".join(f"'{part}'" for part, _ in network.named_children())
        raise LayerError(
            f"{name} has no linear layer, so name the module that gives the features in "
            f"extract.layer: {parts}, or one inside"
        )
    return linear[-1]


def _module(network: nn.Module, name: str, layer: str) -> nn.Module:
    modules: dict[str, nn.Module] = dict(network.named_modules())
    if layer not in modules:
        near = difflib.get_close_matches(layer, modules, n=3, cutoff=0)
        raise LayerError(
            f"extract.layer: {name} has no '{layer}'; did you mean {' or '.join(map(repr, near))}?"
        )
    return modules[layer]


def _without_old_names(module: nn.Module, state: dict[str, Any], *_: object) -> None:
    """DenseNet's files say `norm.1` where its code says `norm1`."""
    for key in list(state):
        state[re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key)] = state.pop(key)
