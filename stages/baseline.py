"""The floor: CCA-ITQ and random codes of the same length, on the same split.

Reads   data/features.h5, data/split.h5
Writes  metrics/baseline.json, data/baseline_scores.csv (of every query)
Params  baseline, evaluate, runtime, train.bits
Run     python -m stages.baseline
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from agch import storage
from agch.baselines import TooFewComponents, cca_itq, random_outputs, unit_rows
from agch.evaluation import (
    ACROSS,
    UNMEASURED,
    EvaluateParams,
    directions,
    in_a_line,
    per_query,
    summary,
)
from agch.files import write_csv, write_json
from agch.hyperparameters import TrainParams
from agch.codes import pack
from agch.runtime import RuntimeParams, pin_runtime, seeded
from agch.schema import Float, section
from stages import params

FEATURES = Path("data/features.h5")
SPLIT = Path("data/split.h5")
METRICS = Path("metrics/baseline.json")
SCORES = Path("data/baseline_scores.csv")
Codes = dict[str, NDArray[np.uint8]]


@section
class BaselineParams:
    """Section `baseline`."""

    components: Annotated[int, Field(ge=1)]
    shrinkage: Annotated[Float, Field(gt=0)]
    iterations: Annotated[int, Field(ge=1)]
    seed: Annotated[int, Field(ge=0, lt=2**63)]


def main() -> None:
    """Fit on the training rows, encode all rows, measure."""
    settings = params.load("baseline", BaselineParams)
    measures = params.load("evaluate", EvaluateParams)
    bits = params.load("train", TrainParams).bits
    pin_runtime(params.load("runtime", RuntimeParams))
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.reading(SPLIT, storage.SPLIT) as split,
    ):
        storage.same_ids(features, split)
        image = unit_rows(torch.from_numpy(features["image"][:]))
        text = unit_rows(torch.from_numpy(features["text"][:]))
        train, query, database = split["train"][:], split["query"][:], split["database"][:]
        label, ids = split["label"][:], storage.strings(split["id"])
    methods = {}
    try:
        methods["cca_itq"] = cca_itq_codes(image, text, train, bits, settings)
    except TooFewComponents as error:
        print(f"warning: CCA-ITQ is left out. {error}")
    methods["random"] = random_codes(len(label), bits, settings.seed)
    labelled = label.shape[1] > 0
    found = {
        name: directions(codes, label, query, database, measures, ACROSS)
        for name, codes in methods.items()
        if labelled
    }
    write_json(METRICS, {name: summary(scores, measures) for name, scores in found.items()})
    columns = {
        f"{method} {name}": values
        for method, scores in found.items()
        for name, values in per_query(scores, measures).items()
    }
    write_csv(SCORES, {"query": [ids[row] for row in query], **columns})
    if not labelled:
        print(UNMEASURED)
    for name, scores in found.items():
        print(f"{name}: {in_a_line(scores, measures)}")


def cca_itq_codes(
    image: torch.Tensor,
    text: torch.Tensor,
    train: NDArray[np.int64],
    bits: int,
    settings: BaselineParams,
) -> Codes:
    """Packed CCA-ITQ codes of all rows."""
    image_map, text_map = cca_itq(
        image[train],
        text[train],
        bits,
        settings.components,
        settings.shrinkage,
        settings.iterations,
        seeded(settings.seed),
    )
    return {"image": pack(image_map(image).numpy()), "text": pack(text_map(text).numpy())}


def random_codes(rows: int, bits: int, seed: int) -> Codes:
    """Packed random codes of all rows."""
    generator = seeded(seed)
    return {
        modality: pack(random_outputs(rows, bits, generator).numpy())
        for modality in ("image", "text")
    }


if __name__ == "__main__":
    params.run(main)
