"""How fast training is: beside its own matrix products, with more rows, beside another revision.

    python -m benchmarks.train
    python -m benchmarks.train --against HEAD~1

The first trains on the features of this folder, tiled to as many rows as it takes. Per batch size
the bare sum is that of the matrix products of the same steps, recorded and run again in a loop; the
two take turns, and the shortest time of each counts. The second runs the whole stage as committed
in either revision, each under its own params.yaml, on the features and the split of this folder.
"""

from __future__ import annotations

from stages import params  # isort: skip  # pins the instruction set, before torch is imported

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import torch

from agch.batches import TrainingSet
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.runtime import INSTRUCTION_SET, RuntimeParams, pin_runtime, seeded
from agch.schema import parse
from agch.training import Trainer
from benchmarks.clones import clone
from benchmarks.products import Recorder, replay
from stages.train import METRICS, read_rows

BATCHES = (32, 128, 512, 4096)
ROWS, LEAST_STEPS = 2048, 2
ROUNDS = 3


class Run(NamedTuple):
    """One run of the stage; the scores are validation map@50 by direction."""

    seconds: float
    scores: dict[str, float]


def main() -> None:
    """Print a line per batch size and one on the number of rows, or the comparison asked for."""
    asked = arguments()
    if asked.against:
        return compare(asked.against, asked.repeat)
    settings = params.load("train", TrainParams)
    device = pin_runtime(params.load("runtime", RuntimeParams))
    rows, _ = read_rows(settings, device)
    for batch in sorted({*BATCHES, settings.batch}):
        values = params.read()["train"] | {"batch": batch}
        print(speed(rows, parse(TrainParams, values, "train")), flush=True)
    print(linearity(rows, settings))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--against",
        metavar="REV",
        help="time the whole stage at this commit and at HEAD, in turn; both as committed, "
        "without what was changed since in this folder, where nothing is written",
    )
    parser.add_argument("--repeat", type=int, default=2, help="runs of either (default: 2)")
    asked = parser.parse_args()
    if asked.repeat < 1:
        parser.error(f"--repeat is {asked.repeat}, expected 1 or more")
    return asked


def speed(rows: TrainingSet, settings: TrainParams) -> str:
    """Steps and pairs per second at `settings.batch`, and how much of it is matrix products."""
    batch, steps = settings.batch, max(LEAST_STEPS, ROWS // settings.batch)
    trainer = Trainer(tiled(rows, steps * batch), settings, seeded(settings.seed))
    with Recorder() as recorded:
        trainer.epoch()
    whole, bare = fastest(trainer.epoch, replay(recorded.products))
    return (
        f"batch {batch:,}: {steps / whole:.2f} steps/s, {steps * batch / whole:,.0f} pairs/s; "
        f"matrix products {100 * bare / whole:.0f} % of the time: {whole / bare:.2f} x the bare sum"
    )


def linearity(rows: TrainingSet, settings: TrainParams) -> str:
    """How an epoch grows with the rows; their number is rounded up to whole batches."""
    least = -(-len(rows.image) // settings.batch) * settings.batch
    counts = [least, 2 * least, 4 * least]
    trainers = [Trainer(tiled(rows, count), settings, seeded(settings.seed)) for count in counts]
    trainers[0].epoch()  # to warm up
    one, *others = fastest(*(trainer.epoch for trainer in trainers))
    ratios = " : ".join(["1", *(f"{seconds / one:.2f}" for seconds in others)])
    return f"epoch at {', '.join(map(str, counts))} rows: {ratios}"


def tiled(rows: TrainingSet, count: int) -> TrainingSet:
    """The first `count` of the rows repeated over and over."""
    index = torch.arange(count, device=rows.image.device) % len(rows.image)
    image, text, label = rows.image[index], rows.text[index], rows.label[index]
    shared = rows.image_input is rows.image
    return TrainingSet(image, text, label, image if shared else rows.image_input[index])


def fastest(*works: Callable[[], object]) -> list[float]:
    """Seconds of each, the least of the rounds, in which they take turns."""
    seconds: list[list[float]] = [[] for _ in works]
    for _ in range(ROUNDS):
        for work, times in zip(works, seconds):
            start = time.perf_counter()
            work()
            if torch.cuda.is_initialized():
                torch.cuda.synchronize()
            times.append(time.perf_counter() - start)
    return [min(times) for times in seconds]


def compare(revision: str, repeat: int) -> None:
    """Print a line for each of `revision` and HEAD, and the ratio of their times."""
    with TemporaryDirectory() as folder:
        trees = {"before": revision, "after": "HEAD"}
        commits = [clone(asked, Path(folder) / name) for name, asked in trees.items()]
        runs = [[train(Path(folder) / name, trees[name]) for name in trees] for _ in range(repeat)]
    seconds = [min(run.seconds for run in side) for side in zip(*runs)]
    for asked, commit, shortest, run in zip(trees.values(), commits, seconds, runs[-1]):
        scores = ", ".join(f"{direction} {score:.6f}" for direction, score in run.scores.items())
        print(
            f"{asked} ({commit}): {shortest:.1f} s, validation map@50 {scores or 'without labels'}"
        )
    print(f"HEAD takes {seconds[1] / seconds[0]:.2f} x the time of {revision}")


def train(tree: Path, revision: str) -> Run:
    """Run the stage of the clone `tree` from the start, in a process of its own.

    Raises:
        InputError: It failed; has what it wrote to stderr.
    """
    # the instruction set is pinned in this process; `tree` has its own params.yaml to decide by
    own = {name: value for name, value in os.environ.items() if name not in INSTRUCTION_SET}
    with TemporaryDirectory() as checkpoints:
        start = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "stages.train"],
            cwd=tree,
            env=own | {"AGCH_CHECKPOINTS": checkpoints},
            capture_output=True,
            text=True,
        )
        seconds = time.perf_counter() - start
    if done.returncode:
        raise InputError(f"stages.train failed at {revision}\n{done.stderr}")
    found = json.loads((tree / METRICS).read_text(encoding="utf-8"))["validation"]
    return Run(seconds, {name: scores["map@50"] for name, scores in found.items()})


if __name__ == "__main__":
    params.run(main)
