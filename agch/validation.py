"""What is measured while training: retrieval on held-out training rows, and the state of the codes.

Nothing here reaches a gradient, and the query set of the evaluation is never seen.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from agch.batches import TrainingSet
from agch.codes import pack
from agch.metrics import evaluate
from agch.model import AGCH

BLOCK = 1024


@torch.no_grad()
def outputs(encoder: nn.Module, features: Tensor) -> Tensor:
    """(n, d or v) -> (n, c) float32 before the sign, on the CPU, a block of rows at a time."""
    return torch.cat([encoder(block.float())[1].float().cpu() for block in features.split(BLOCK)])


def encode(model: AGCH, rows: TrainingSet) -> dict[str, NDArray[np.uint8]]:
    """Packed codes of both modalities, (n, c/8) each."""
    model.eval()
    return {
        "image": pack(outputs(model.image, rows.image_input).numpy()),
        "text": pack(outputs(model.text, rows.text).numpy()),
    }


class Validator:
    """Searches the training rows with the validation rows, in both directions."""

    def __init__(self, database: TrainingSet, query: TrainingSet) -> None:
        self.database, self.query = database, query

    def measure(self, model: AGCH) -> dict[str, float]:
        """map@50 as `validation/i2t` and `validation/t2i`, ties in expectation.

        Nothing where there are no labels, because then nothing is known to be relevant.
        """
        if not self.query.label.shape[1]:
            return {}
        query, database = encode(model, self.query), encode(model, self.database)
        labels = self.query.label.cpu().numpy(), self.database.label.cpu().numpy()
        directions = {"i2t": ("image", "text"), "t2i": ("text", "image")}
        return {
            f"validation/{name}": evaluate(query[asked], database[found], *labels, at=(50,)).means(
                "expected"
            )["map@50"]
            for name, (asked, found) in directions.items()
        }
