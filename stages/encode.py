"""Binary codes of every row, both modalities, with the outputs before the sign.

Reads   data/features.h5, models/agch.pt
Writes  data/codes.h5
Params  runtime
Run     python -m stages.encode
"""

from __future__ import annotations

from pathlib import Path

import torch
from tqdm import tqdm

from agch import checkpoint, storage
from agch.errors import InputError
from agch.model import Encoder
from agch.ranking import pack
from agch.runtime import RuntimeParams, pin_runtime
from stages import params

FEATURES = Path("data/features.h5")
MODEL = Path("models/agch.pt")
CODES = Path("data/codes.h5")
BLOCK = 1024


def main() -> None:
    """Run both encoders over all rows, a block at a time."""
    device = pin_runtime(params.load("runtime", RuntimeParams))
    model = checkpoint.load(MODEL, "train")
    bits = model["params"]["bits"]
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.create(CODES, storage.CODES) as codes,
    ):
        count = len(features["id"])
        storage.put(codes, "id", storage.strings(features["id"]))
        for modality in ("image", "text"):
            encoder = load_encoder(model, modality, features[modality].shape[1]).to(device)
            packed = storage.allocate(codes, modality, (count, bits // 8), "uint8")
            output = storage.allocate(codes, f"{modality}_output", (count, bits), "float32")
            for start in tqdm(range(0, count, BLOCK), modality, unit="block", disable=None):
                rows = slice(start, start + BLOCK)
                block = torch.from_numpy(features[modality][rows]).to(device, torch.float32)
                with torch.no_grad():
                    outputs = encoder(block)[1].cpu().numpy()
                output[rows], packed[rows] = outputs, pack(outputs)
    print(f"{count} rows, {bits} bits, both modalities")


def load_encoder(model: dict[str, dict[str, torch.Tensor]], modality: str, inputs: int) -> Encoder:
    """One encoder of `models/agch.pt`.

    Raises:
        InputError: It was trained on features of another width.
    """
    prefix = f"{modality}."
    weights = {
        k.removeprefix(prefix): v for k, v in model["encoders"].items() if k.startswith(prefix)
    }
    hidden, wanted = weights["hidden.weight"].shape
    if wanted != inputs:
        raise InputError(
            f"{MODEL} was trained on {wanted} {modality} features, {FEATURES} has {inputs}; "
            "run `dvc repro train`"
        )
    encoder = Encoder(inputs, hidden, len(weights["hash.bias"]))
    encoder.load_state_dict(weights)
    return encoder.eval()


if __name__ == "__main__":
    params.run(main)
