"""The training and the validation rows out of `features.h5` and `split.h5`."""

from __future__ import annotations

from typing import Any

import torch
from h5py import Dataset, File
from torch import Tensor

from agch.batches import TrainingSet
from agch.encoders import image_inputs
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.resources import Shapes

BLOCK = 1024


def shapes(features: File, split: File, params: TrainParams) -> Shapes:
    """How much there is to read."""
    return Shapes(
        rows=len(split["train"]),
        validation_rows=len(split["validation"]),
        image=features["image"].shape[1],
        text=features["text"].shape[1],
        image_input=image_inputs(features, params).shape[1],
        labels=split["label"].shape[1],
    )


def read_sets(
    features: File, split: File, params: TrainParams, device: torch.device
) -> tuple[TrainingSet, TrainingSet]:
    """Training and validation rows as tensors on the device.

    Raises:
        InputError: A feature is not finite, or the best epoch is asked for without labels.
    """
    if params.select == "best" and not split["label"].shape[1]:
        raise InputError("train.select is 'best', but the data has no labels to judge by; use last")
    label, inputs = split["label"][:], image_inputs(features, params)

    def part(rows: Any) -> TrainingSet:
        image = finite(features["image"], rows).to(device)
        shared = inputs == features["image"]
        return TrainingSet(
            image,
            finite(features["text"], rows).to(device, torch.float32),
            torch.from_numpy(label[rows]).to(device),
            image if shared else finite(inputs, rows).to(device),
        )

    return part(split["train"][:]), part(split["validation"][:])


def finite(dataset: Dataset, rows: Any) -> Tensor:
    """Rows of a dataset, in which every number is finite; raises `InputError`."""
    values = torch.from_numpy(dataset[rows])
    good = torch.cat([block.isfinite().all(1) for block in values.split(BLOCK)])
    for place in (~good).nonzero()[:1, 0].tolist():
        item = dataset.file["id"].asstr()[rows[place]]
        raise InputError(
            f"{dataset.file.filename}: '{dataset.name[1:]}' of item {item} has a number that is "
            "not finite; mend the source and run `dvc repro extract`"
        )
    return values
