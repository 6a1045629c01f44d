"""The encoders that `params` ask for; training starts them, encoding loads them."""

from __future__ import annotations

import torch
from h5py import Dataset, File
from torch import Tensor, nn

from agch.dropout import Dropout
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.model import AGCH, Encoder
from agch.similarity import idf

POOL5 = 9216
"""Outputs of AlexNet's last pooling layer, the inputs of its fc6."""


def image_encoder(inputs: int, params: TrainParams) -> Encoder:
    """An MLP over the frozen features, or AlexNet's own fc6 and fc7 over its pool5."""
    params = params.in_force()
    if params.image_encoder == "alexnet_fc":
        return Encoder(inputs, alexnet_fc(), 4096, params.bits)
    return Encoder(inputs, _mlp(inputs, params), params.hidden, params.bits, _dropout(params))


def text_encoder(inputs: int, params: TrainParams) -> Encoder:
    """An MLP over the words."""
    params = params.in_force()
    unit = params.text_input == "unit"
    return Encoder(inputs, _mlp(inputs, params), params.hidden, params.bits, _dropout(params), unit)


def build(params: TrainParams, image_inputs: int, text_inputs: int) -> AGCH:
    """All networks; peers have the encoders alone, and with delta 0 there is no graph branch."""
    own = params.method == "agch"
    return AGCH(
        image_encoder(image_inputs, params),
        text_encoder(text_inputs, params),
        fusion=own and params.fusion,
        gcn_widths=params.gcn_hidden if own and params.delta else (),
        gcn_detach=params.gcn_detach,
    )


@torch.no_grad()
def weigh_words(model: AGCH, text: Tensor) -> None:
    """Set the text encoder's input weights to the `idf` of the training rows' words, (n, v)."""
    model.text.weight.copy_(idf(text))


def alexnet_fc() -> nn.Sequential:
    """fc6 and fc7 of AlexNet with their dropout, as torchvision's `classifier[:6]` names them."""
    return nn.Sequential(
        Dropout(0.5),
        nn.Linear(POOL5, 4096),
        nn.ReLU(),
        Dropout(0.5),
        nn.Linear(4096, 4096),
        nn.ReLU(),
    )


def image_inputs(features: File, params: TrainParams) -> Dataset:
    """The dataset of `features.h5` that the image encoder reads.

    Raises:
        InputError: It is not there.
    """
    if params.image_encoder == "mlp":
        return features["image"]
    if "image_pool5" not in features:
        raise InputError(
            f"train.image_encoder is 'alexnet_fc', but {features.filename} has no 'image_pool5'; "
            "extract it with -S extract.backbone=alexnet -S extract.pool5=true"
        )
    return features["image_pool5"]


def _mlp(inputs: int, params: TrainParams) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, params.hidden), nn.ReLU())


def _dropout(params: TrainParams) -> float:
    return params.extensions.dropout
