"""Train AGCH on the training rows; a killed run continues from its last checkpoint.

Reads   data/features.h5, data/split.h5
Writes  models/agch.pt, plots/train/ (curves by dvclive), metrics/train.json
Params  train, runtime, extract.weights
Run     python -m stages.train
"""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter
from tqdm import tqdm

from agch import checkpoint, storage
from agch.batches import TrainingSet
from agch.codes import describe_codes
from agch.files import replacing, write_json
from agch.fitting import Fit, follow
from agch.free_memory import free_memory
from agch.hyperparameters import TrainParams
from agch.interruption import Interrupted, Interruption
from agch.ranks import Ranks, join
from agch.record import best_epoch, in_a_line, report, summary, warn_of_collapse, write_curves
from agch.resources import check_memory, facts, memory_estimate
from agch.runtime import RuntimeParams, pin_runtime, seeded
from agch.target import describe
from agch.tensorboard import TensorBoard
from agch.training import Trainer
from agch.training_rows import read_sets, shapes
from agch.validation import Validator, encode
from stages import params

FEATURES = Path("data/features.h5")
SPLIT = Path("data/split.h5")
MODEL = Path("models/agch.pt")
CURVES = Path("plots/train")
METRICS = Path("metrics/train.json")
CHECKPOINTS = Path(os.environ.get("AGCH_CHECKPOINTS", ".checkpoints"))
PROGRESS = os.environ.get("STUDIO_PROGRESS")
BOARDS = Path(os.environ.get("AGCH_TENSORBOARD", "tensorboard"))


def main() -> None:
    """Train, keep the last or the best epoch, write model, curves and metrics."""
    settings = params.load("train", TrainParams)
    runtime = params.load("runtime", RuntimeParams)
    ranks, device = join(pin_runtime(runtime), settings.batch)
    if not ranks.first:
        sys.stdout = open(os.devnull, "w")
    try:
        with Interruption() as interruption:
            train(settings, runtime, ranks, device, interruption)
    except Interrupted as interrupted:
        print(f"{interrupted}; the same command continues from here")
        sys.exit(128 + interrupted.signal)


def train(
    settings: TrainParams,
    runtime: RuntimeParams,
    ranks: Ranks,
    device: torch.device,
    interruption: Interruption,
) -> None:
    """Everything after the parameters have been read."""
    rows, validation_rows = read_rows(settings, device)
    start = alexnet_weights() if settings.image_encoder == "alexnet_fc" else None
    trainer = Trainer(rows, settings, seeded(settings.seed), start, ranks)
    if settings.method == "agch" and settings.similarity_image == "frozen":
        print(describe(*trainer.graphs.scale_of_target()))
    resolved = TypeAdapter(TrainParams).dump_python(settings, by_alias=True)
    everything = resolved | asdict(runtime) | {"device": device.type, "ranks": ranks.size}
    key = checkpoint.run_key(everything, [FEATURES, SPLIT, Path(__file__)])
    saved = checkpoint.Checkpoint(CHECKPOINTS, key)
    pace = trainer.pace()  # before anything is restored, so that all processes do alike
    if not ranks.first:
        follow(trainer, saved, settings.epochs)
        return
    fit = Fit(trainer, Validator(rows, validation_rows), saved, settings.select, interruption)
    if trainer.size < settings.batch:
        print(f"train.batch is {settings.batch}; all {trainer.size} rows make one batch")
    left = settings.epochs * trainer.steps_per_epoch - trainer.steps_done
    print(f"{left} steps to go, {1000 * pace:.1f} ms each: {tqdm.format_interval(left * pace)}")
    if settings.tensorboard:
        fit.shows.append(TensorBoard(BOARDS / key, len(fit.history)).show)
    if PROGRESS:
        fit.shows.append(partial(report, Path(PROGRESS)))
    fit.run(settings.epochs)
    write(fit, resolved)
    saved.discard()


def write(fit: Fit, resolved: dict[str, Any]) -> None:
    """Model, curves and metrics of the epoch that was asked for."""
    weights, history, trainer = fit.weights(), fit.history, fit.trainer
    trainer.model.load_state_dict(weights)
    encoders = {k: v for k, v in weights.items() if k.startswith(("image.", "text."))}
    checkpoint.save(MODEL, {"params": resolved, "encoders": encoders})
    with replacing(CURVES) as part:
        write_curves(part, history)
    epoch = len(history) - 1 if fit.select == "last" else best_epoch(history)
    codes = describe_codes(encode(trainer.model, trainer.rows))
    warn_of_collapse(history[epoch], codes)
    write_json(METRICS, summary(history[epoch], epoch, codes, trainer.skipped_steps))
    print(f"kept epoch {epoch + 1} of {len(history)}: {in_a_line(history[epoch])}")


def alexnet_weights() -> dict[str, torch.Tensor]:
    """fc6 and fc7 of the AlexNet that extracted the features."""
    from agch.alexnet import alexnet_fc_weights  # torchvision takes seconds to load

    path = params.read()["extract"]["weights"]
    with storage.reading(FEATURES, storage.FEATURES) as features:
        digest = features.attrs["weights_sha256"]
    return alexnet_fc_weights(Path(path) if path else None, digest)


def read_rows(settings: TrainParams, device: torch.device) -> tuple[TrainingSet, TrainingSet]:
    """Training and validation rows on the device, if there is room; says what will be trained."""
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.reading(SPLIT, storage.SPLIT) as split,
    ):
        storage.same_ids(features, split)
        found, free = shapes(features, split, settings), free_memory(device)
        needed = memory_estimate(found, settings)
        check_memory(needed, free, settings, device)
        print(*facts(found, settings, device, needed, free), sep="\n")
        return read_sets(features, split, settings, device)


if __name__ == "__main__":
    params.run(main)
