"""What a training run needs, said before it starts: the memory at its peak, and the facts.

The estimate counts what is held at the same time. Peaks measured on a CPU are 0.85 to 1.4 times
the estimate. Shapes: `n` rows, `m` rows of a batch, `v` words.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import nn

from agch.encoders import build
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.model import AGCH
from agch.stepping import compute_dtype
from agch.target import SAMPLE

FLOAT, GIB = 4, 1 << 30
PRECISIONS = {torch.float32: "fp32", torch.bfloat16: "bf16", torch.float16: "fp16"}
LIBRARIES = 64 << 20
"""Bytes that torch's libraries take when they are first used."""
SAMPLED, STEPPED, PEER = 10, 10, 8
"""Matrices of pairs: while the scale of the target is measured; in a step, besides the products of
heads; in a step of a peer, altogether."""


class Shapes(NamedTuple):
    """The data of a run: numbers of rows, and of columns of what a `TrainingSet` holds."""

    rows: int
    validation_rows: int
    image: int
    text: int
    image_input: int
    labels: int


class Memory(NamedTuple):
    """Bytes on the device at the peak of training.

    Attributes:
        data: All rows, with what is first measured on them, copies and discrete codes.
        networks: Weights, gradients and the optimiser's moments, with copies that are made of them.
        batch: Activations and matrices of pairs.
    """

    data: int
    networks: int
    batch: int

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self)


def memory_estimate(shapes: Shapes, params: TrainParams) -> Memory:
    """The most that is held at once: at the start, in a step, or while a checkpoint is written."""
    params = params.in_force()
    model = outline(shapes, params)
    weights, codes = FLOAT * parameters(model), _codes(shapes, params)
    moments = {"adam": 2, "sgd": 1}[params.optimizer]
    held = 2 + moments + (params.select == "best")
    data = _rows(shapes, params) + codes
    phases = [
        Memory(data + _look(shapes, params), weights, LIBRARIES + _distribution(shapes, params)),
        # gradients before the old ones go, and what measuring the pace puts back
        Memory(data + codes, (held + 2) * weights, LIBRARIES + _step(shapes, model, params)),
        Memory(data + codes, (held + 1 + moments) * weights, LIBRARIES),
    ]
    return max(phases, key=lambda phase: phase.total)


def outline(shapes: Shapes, params: TrainParams) -> AGCH:
    """The networks without their weights: takes no memory and draws no random number."""
    with torch.device("meta"):
        return build(params, shapes.image_input, shapes.text)


def parameters(model: nn.Module) -> int:
    """Number of trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


def check_memory(
    needed: Memory, available: int | None, params: TrainParams, device: torch.device
) -> None:
    """Refuse a run that will not fit; nothing is refused where `available` is not known.

    Raises:
        InputError: More is needed than available; says what needs most of it and how to lower it.
    """
    if available is None or needed.total <= available:
        return
    fixed = params.image_encoder == "alexnet_fc"
    smaller = "use train.image_encoder=mlp" if fixed else f"lower train.hidden ({params.hidden})"
    _, what, remedy = max(
        (needed.data, "the data", "lower split.train"),
        (needed.networks, "the networks", smaller),
        (needed.batch, "the pairs of a batch", f"lower train.batch ({params.batch})"),
    )
    elsewhere = ", or use runtime.device=cpu" if device.type == "cuda" else ""
    raise InputError(
        f"training needs about {needed.total / GIB:.2f} GiB, but only {available / GIB:.2f} GiB "
        f"are free on {device.type}; {max(needed) / needed.total:.0%} of the need is {what}: "
        f"{remedy}{elsewhere}"
    )


def facts(
    shapes: Shapes,
    params: TrainParams,
    device: torch.device,
    needed: Memory,
    available: int | None,
) -> list[str]:
    """The lines printed before the first epoch.

    Raises:
        InputError: The device does not compute in `train.precision`.
    """
    precision = PRECISIONS[compute_dtype(params.precision, device)]
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    threads = torch.get_num_threads()
    schedule = f", {params.schedule} schedule" if params.method == "agch" else ""
    free = "" if available is None else f" of {available / GIB:.2f} GiB free"
    return [
        f"{shapes.rows:,} training rows of {shapes.image:,} image and {shapes.text:,} text "
        f"features, {shapes.validation_rows:,} validation rows",
        f"{params.name} of {params.bits} bits{schedule}: "
        f"{parameters(outline(shapes, params)):,} parameters, {precision} on {place}, "
        f"{threads} thread{'s' if threads > 1 else ''}",
        f"about {needed.total / GIB:.2f} GiB of memory{free}",
    ]


def _rows(shapes: Shapes, params: TrainParams) -> int:
    """All rows once; the peers also keep the training rows at unit length."""
    features = FLOAT * (shapes.image + shapes.text)
    inputs = 2 * shapes.image_input if params.image_encoder == "alexnet_fc" else 0
    copies = 0 if params.method == "agch" else features * shapes.rows
    return (shapes.rows + shapes.validation_rows) * (features + inputs + shapes.labels) + copies


def _codes(shapes: Shapes, params: TrainParams) -> int:
    alternating = params.method == "agch" and params.schedule == "alternating"
    return FLOAT * shapes.rows * params.bits if alternating else 0


def _look(shapes: Shapes, params: TrainParams) -> int:
    """AGCH first counts the words, on two (n, v) copies, and measures the target on a sample."""
    sampled = min(shapes.rows, SAMPLE)
    largest = max(2 * shapes.rows * shapes.text, SAMPLED * sampled**2)
    return FLOAT * largest if params.method == "agch" else 0


def _distribution(shapes: Shapes, params: TrainParams) -> int:
    """JDSH first holds the similarities within all batches, with two copies."""
    size = min(params.batch, shapes.rows)
    return 3 * FLOAT * shapes.rows * size if params.method == "jdsh" else 0


def _step(shapes: Shapes, model: AGCH, params: TrainParams) -> int:
    """Inputs and outputs of all layers; on top of them pairs, or later as many gradients."""
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Linear)]
    widths = sum(layer.in_features + layer.out_features for layer in layers)
    size = min(params.batch, shapes.rows)
    pairs = size * (PEER if params.method != "agch" else _products(model, params) + STEPPED)
    return FLOAT * size * (widths + max(pairs, widths))


def _products(model: AGCH, params: TrainParams) -> int:
    """(m, m) products of two heads that a step keeps for its gradients.

    At each length: both encoders with themselves and with what they follow, the fusion head and
    the graph heads with themselves, and the contrast in both directions.
    """
    contrast = 2 if params.extensions.contrastive else 0
    heads = 4 + len(model.gcn) + (model.fusion is not None) + contrast
    return heads * len(params.lengths)
