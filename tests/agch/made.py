"""Tiny made data and parameters: four kinds of rows that both modalities tell apart."""

import torch

from agch.batches import Batch, TrainingSet
from agch.hyperparameters import TrainParams
from agch.runtime import seeded
from agch.schema import parse
from agch.training import Trainer

IMAGE_DIM, WORDS, KINDS = 6, 9, 4
OFF = {"contrastive": 0.0, "temperature": 0.25, "dropout": 0.0, "idf": False}
PLUS = {"contrastive": 0.3, "dropout": 0.4, "idf": True}


def params(**changes) -> TrainParams:
    """Section `train` with small networks, as published; `rate` sets all four learning rates.

    Names of extensions may stand among the changes; they turn `variant` to agch+.
    """
    rate = changes.pop("rate", 0.01)
    extensions = {name: changes.pop(name) for name in OFF if name in changes}
    values = {
        "method": "agch",
        "variant": "agch+" if extensions else "paper",
        "bits": 8,
        "nested": [],
        "alpha": 1.0,
        "beta": 1.0,
        "lambda": 10.0,
        "delta": 0.01,
        "gamma_v": 2.0,
        "gamma_t": 0.3,
        "gamma_power": 1,
        "rho": 4.0,
        "distance": "norm",
        "similarity": "product",
        "mixed_weight": 0.5,
        "similarity_image": "frozen",
        "target_scale": "paper",
        "target_mean": -0.8,
        "reduction": "pairs",
        "fusion": True,
        "gcn_detach": False,
        "tanh_scale": "one",
        "text_input": "raw",
        "image_encoder": "mlp",
        "schedule": "alternating",
        "epochs": 1,
        "batch": 8,
        "optimizer": "adam",
        "learning_rate": dict.fromkeys(("image", "text", "fusion", "gcn"), rate),
        "momentum": 0.9,
        "weight_decay": 0.0005,
        "hidden": 8,
        "gcn_hidden": [8, 8],
        "select": "last",
        "precision": "fp32",
        "compile": False,
        "tensorboard": False,
        "seed": 0,
        "extensions": OFF | extensions,
    }
    changed = {name.rstrip("_"): value for name, value in changes.items()}
    return parse(TrainParams, values | changed, "train")


def clusters(rows: int = 40, seed: int = 0) -> TrainingSet:
    """Row i is of kind i % 4: the kind's image dimension is large, its two words are there."""
    generator = torch.Generator().manual_seed(seed)
    kind = torch.nn.functional.one_hot(torch.arange(rows) % KINDS, KINDS)
    image = 0.3 * torch.rand(rows, IMAGE_DIM, generator=generator)
    image[:, :KINDS] += kind
    text = torch.zeros(rows, WORDS)
    text[:, : 2 * KINDS] = kind.repeat_interleave(2, dim=1).float()
    text[:, -1] = (torch.rand(rows, generator=generator) < 0.5).float()  # says nothing
    return TrainingSet(image, text, kind.to(torch.uint8), image)


class Watched(TrainingSet):
    """Remembers the rows of each batch that it was asked for, and spoils the image of some."""

    def select(self, index: torch.Tensor, own: slice = slice(None)) -> Batch:
        batch = super().select(index, own)
        if len(self.asked) in self.spoilt:
            batch.image[:] = float("nan")
        self.asked.append(index.tolist())
        return batch


def watched(rows: TrainingSet) -> Watched:
    """The same rows, none spoilt yet; `spoilt` holds the places in `asked`."""
    made = Watched(*rows)
    made.asked, made.spoilt = [], ()
    return made


def trainer(rows: TrainingSet | None = None, seed: int = 0, **changes) -> Trainer:
    """A trainer of `clusters()` whose weights and order of batches come from `seed`."""
    generator = seeded(seed)
    return Trainer(clusters() if rows is None else rows, params(**changes), generator)


def run(made: Trainer, epochs: int) -> list[dict[str, float]]:
    """What is recorded of so many epochs."""
    return [made.epoch() for _ in range(epochs)]


def moved(made: Trainer, before: dict[str, torch.Tensor]) -> set[str]:
    """The modules of which every weight has changed; asserts that the others kept all bits."""
    after = {name: value.detach() for name, value in made.model.named_parameters()}
    changed = {name for name in after if not torch.equal(before[name], after[name])}
    modules = {name.split(".")[0] for name in changed}
    assert changed == {name for name in after if name.split(".")[0] in modules}
    return modules


def weights(made: Trainer) -> dict[str, torch.Tensor]:
    """A copy of all weights by name."""
    return {name: value.clone() for name, value in made.model.state_dict().items()}


def same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    """Whether two state dicts are equal to the last bit."""
    return first.keys() == second.keys() and all(torch.equal(first[k], second[k]) for k in first)
