"""Binary codes of every row, both modalities, with the outputs before the sign.

Reads   data/features.h5, models/agch.pt
Writes  data/codes.h5
Params  runtime
Run     python -m stages.encode
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from agch import checkpoint, storage
from agch.encoders import image_encoder, image_inputs, text_encoder
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.codes import pack
from agch.runtime import RuntimeParams, pin_runtime
from agch.schema import parse
from stages import params

FEATURES = Path("data/features.h5")
MODEL = Path("models/agch.pt")
CODES = Path("data/codes.h5")
BLOCK = 1024


def main() -> None:
    """Run both encoders over all rows, a block at a time."""
    device = pin_runtime(params.load("runtime", RuntimeParams))
    model = checkpoint.load(MODEL, "train")
    trained = parse(TrainParams, model["params"], str(MODEL))
    bits = trained.bits
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.create(CODES, storage.CODES) as codes,
    ):
        count = len(features["id"])
        storage.put(codes, "id", storage.strings(features["id"]))
        storage.put(codes, "nested", np.array(trained.nested, dtype=np.int64))
        for modality, make in (("image", image_encoder), ("text", text_encoder)):
            inputs = image_inputs(features, trained) if modality == "image" else features["text"]
            weights = weights_of(model, modality, inputs.shape[1])
            encoder = make(inputs.shape[1], trained)
            encoder.load_state_dict(weights)
            encoder.eval().to(device)
            packed = storage.allocate(codes, modality, (count, bits // 8), "uint8")
            output = storage.allocate(codes, f"{modality}_output", (count, bits), "float32")
            for start in tqdm(range(0, count, BLOCK), modality, unit="block", disable=None):
                rows = slice(start, start + BLOCK)
                block = torch.from_numpy(inputs[rows]).to(device, torch.float32)
                with torch.no_grad():
                    outputs = encoder(block)[1].cpu().numpy()
                output[rows], packed[rows] = outputs, pack(outputs)
    print(f"{count} rows, {bits} bits, both modalities")


def weights_of(model: dict[str, Any], modality: str, inputs: int) -> dict[str, torch.Tensor]:
    """The weights of one encoder of `models/agch.pt`.

    Raises:
        InputError: It was trained on features of another width.
    """
    prefix = f"{modality}."
    weights = {
        k.removeprefix(prefix): v for k, v in model["encoders"].items() if k.startswith(prefix)
    }
    wanted = len(weights["weight"])
    if wanted != inputs:
        raise InputError(
            f"{MODEL} was trained on {wanted} {modality} features, {FEATURES} has {inputs}; "
            "run `dvc repro train`"
        )
    return weights


if __name__ == "__main__":
    params.run(main)
