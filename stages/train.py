"""Train AGCH on the training rows; a killed run continues from its last checkpoint.

Reads   data/features.h5, data/split.h5
Writes  models/agch.pt, plots/train/ (curves by dvclive), metrics/train.json
Params  train, runtime, extract.weights
Run     python -m stages.train
"""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from tqdm import tqdm

from agch import checkpoint, storage
from agch.alexnet import alexnet_fc_weights
from agch.batches import TrainingSet
from agch.codes import describe_codes
from agch.encoders import image_inputs
from agch.errors import InputError
from agch.files import replacing, write_json
from agch.hyperparameters import TrainParams
from agch.record import (
    History,
    best_epoch,
    in_a_line,
    summary,
    warn_of_collapse,
    write_curves,
)
from agch.runtime import RuntimeParams, pin_runtime, seeded
from agch.target import describe
from agch.training import Trainer
from agch.validation import Validator, encode
from stages import params

FEATURES = Path("data/features.h5")
SPLIT = Path("data/split.h5")
MODEL = Path("models/agch.pt")
CURVES = Path("plots/train")
METRICS = Path("metrics/train.json")
CHECKPOINTS = Path(os.environ.get("AGCH_CHECKPOINTS", ".checkpoints"))


def main() -> None:
    """Train, keep the last or the best epoch, write model, curves and metrics."""
    settings = params.load("train", TrainParams)
    runtime = params.load("runtime", RuntimeParams)
    device = pin_runtime(runtime)
    rows, validation_rows = read_rows(settings, device)
    if settings.select == "best" and not rows.label.shape[1]:
        raise InputError("train.select is 'best', but the data has no labels to judge by; use last")
    start = alexnet_weights() if settings.image_encoder == "alexnet_fc" else None
    trainer = Trainer(rows, settings, seeded(settings.seed), start)
    validator = Validator(rows, validation_rows)
    resolved = TypeAdapter(TrainParams).dump_python(settings, by_alias=True)
    print(
        f"{len(rows.image)} training rows, {rows.image.shape[1]} image features, "
        f"{rows.text.shape[1]} text features; {settings.bits} bits on {device}"
    )
    if settings.method == "agch" and settings.similarity_image == "frozen":
        print(describe(*trainer.graphs.scale_of_target()))
    everything = resolved | asdict(runtime) | {"device": str(device)}
    key = checkpoint.run_key(everything, [FEATURES, SPLIT, Path(__file__)])
    saved = checkpoint.Checkpoint(CHECKPOINTS, key)
    history, weights = fit(trainer, validator, settings, saved)
    trainer.model.load_state_dict(weights)
    encoders = {k: v for k, v in weights.items() if k.startswith(("image.", "text."))}
    checkpoint.save(MODEL, {"params": resolved, "encoders": encoders})
    with replacing(CURVES) as part:
        write_curves(part, history)
    epoch = len(history) - 1 if settings.select == "last" else best_epoch(history)
    codes = describe_codes(encode(trainer.model, rows))
    warn_of_collapse(history[epoch], codes)
    write_json(METRICS, summary(history[epoch], epoch, codes, trainer.skipped_steps))
    saved.discard()
    print(f"kept epoch {epoch + 1} of {len(history)}: {in_a_line(history[epoch])}")


def fit(
    trainer: Trainer, validator: Validator, settings: TrainParams, saved: checkpoint.Checkpoint
) -> tuple[History, dict[str, Any]]:
    """Run the epochs that are left; returns what was recorded of each and the chosen weights."""
    history: History = []
    best: dict[str, Any] = {}
    if state := saved.restore():
        trainer.load_state(state["trainer"])
        history, best = state["history"], state["best"]
        print(f"continuing after epoch {len(history)}")
    bar = tqdm(
        range(len(history), settings.epochs),
        "train",
        initial=len(history),
        total=settings.epochs,
        unit="epoch",
        disable=None,
    )
    for _ in bar:
        record = trainer.epoch() | validator.measure(trainer.model)
        history.append(record)
        if settings.select == "best" and best_epoch(history) == len(history) - 1:
            best = {k: v.clone() for k, v in trainer.model.state_dict().items()}
        saved.save_if_due({"trainer": trainer.state(), "history": history, "best": best})
        bar.set_postfix_str(in_a_line(record))
    return history, best or trainer.model.state_dict()


def alexnet_weights() -> dict[str, torch.Tensor]:
    """fc6 and fc7 of the AlexNet that extracted the features."""
    path = params.read()["extract"]["weights"]
    with storage.reading(FEATURES, storage.FEATURES) as features:
        digest = features.attrs["weights_sha256"]
    return alexnet_fc_weights(Path(path) if path else None, digest)


def read_rows(settings: TrainParams, device: torch.device) -> tuple[TrainingSet, TrainingSet]:
    """Training and validation rows as tensors on the device."""
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.reading(SPLIT, storage.SPLIT) as split,
    ):
        storage.same_ids(features, split)
        inputs, label = image_inputs(features, settings), split["label"][:]
        train, validation = (
            TrainingSet(
                torch.from_numpy(features["image"][rows]).to(device),
                torch.from_numpy(features["text"][rows]).to(device, torch.float32),
                torch.from_numpy(label[rows]).to(device),
                torch.from_numpy(inputs[rows]).to(device),
            )
            for rows in (split["train"][:], split["validation"][:])
        )
    return train, validation


if __name__ == "__main__":
    params.run(main)
