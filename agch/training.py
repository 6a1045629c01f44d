"""Training AGCH from features in memory, by one of two schedules.

`Trainer.epoch` runs one pass; who calls it decides about checkpoints, logs and validation.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any, NamedTuple

import torch
from torch import Generator, Tensor

from agch.batches import Batch, TrainingSet
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.model import AGCH, Encoded, Helped
from agch.objective import (
    Terms,
    discrete_codes,
    encoder_terms,
    helper_terms,
    joint_terms,
    sum_of,
)
from agch.record import finite_mean
from agch.similarity import aggregated_similarity, joint_features, normalised_adjacency
from agch.stepping import Stepper, compute_dtype

BLOCKS: dict[str, list[tuple[str, ...]]] = {
    "joint": [("image", "text", "fusion", "gcn")],
    "alternating": [("image", "text"), ("fusion", "gcn")],
}


class Graph(NamedTuple):
    """What frozen features say of a batch: (m, m) adjacency, and (m, m) target T = 2S - 1."""

    adjacency: Tensor
    target: Tensor


class Trainer:
    """Model, optimisers and discrete codes, trained epoch by epoch.

    Args:
        rows: The training set, on the device that trains.
        params: Section `train`.
        generator: Seeded CPU generator that orders the batches.

    Raises:
        InputError: There are fewer rows than a batch holds.
    """

    def __init__(self, rows: TrainingSet, params: TrainParams, generator: Generator) -> None:
        if len(rows.image) < params.batch:
            raise InputError(
                f"train.batch is {params.batch}, but there are only {len(rows.image)} training "
                "rows; lower train.batch or raise split.train"
            )
        self.rows, self.params, self.generator = rows, params, generator
        self.device = rows.image.device
        self.model = build(params, rows.image.shape[1], rows.text.shape[1]).to(self.device)
        self.dtype = compute_dtype(params.precision, self.device)
        self.steppers = [self._stepper(modules) for modules in BLOCKS[params.schedule]]
        self.joint_features = joint_features(
            rows.image, rows.text, params.gamma_v, params.gamma_t, params.gamma_power
        )
        self.codes = self._initial_codes()

    def epoch(self) -> dict[str, float]:
        """One pass over the rows in a new order; returns the mean of everything recorded."""
        order = torch.randperm(len(self.rows.image), generator=self.generator).to(self.device)
        step = self._alternate if self.params.schedule == "alternating" else self._join
        record: dict[str, list[Tensor]] = defaultdict(list)
        for batch in self.rows.batches(order, self.params.batch):
            for name, value in step(batch).items():
                record[name].append(value.detach())
        return {name: finite_mean(name, torch.stack(values)) for name, values in record.items()}

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on; save it before that epoch changes it."""
        return {
            "model": self.model.state_dict(),
            "steppers": [stepper.state() for stepper in self.steppers],
            "codes": self.codes,
            "generator": self.generator.get_state(),
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.model.load_state_dict(state["model"])
        for stepper, saved in zip(self.steppers, state["steppers"], strict=True):
            stepper.load_state(saved)
        self.codes.copy_(state["codes"])
        self.generator.set_state(state["generator"])

    @property
    def skipped_steps(self) -> int:
        """Steps left out because a loss or a gradient was not finite."""
        return sum(stepper.skipped for stepper in self.steppers)

    def _join(self, batch: Batch) -> Terms:
        """One backward pass over Eq. 16 (the paper's Algorithm 1)."""
        graph = self._graph(batch)
        encoded = self._encode(batch)
        terms = joint_terms(graph.target, encoded, self._help(encoded, graph), self.params)
        self.steppers[0].step(terms)
        return _record(graph, joint=terms)

    def _alternate(self, batch: Batch) -> Terms:
        """F-step on the encoders, then B-step on codes, fusion and graph networks."""
        encoders, helpers = self.steppers
        graph = self._graph(batch)
        encoded = self._encode(batch)
        with torch.no_grad():
            helped = self._help(encoded, graph)
        codes = self.codes[batch.index]
        f_terms = encoder_terms(graph.target, encoded, helped, codes, self.params)
        encoders.step(f_terms)

        with torch.no_grad():
            encoded = self._encode(batch)
        helped = self._help(encoded, graph)
        codes = discrete_codes(encoded, helped, self.params)
        b_terms = helper_terms(graph.target, encoded, helped, codes, self.params)
        if helpers.step(b_terms):
            self.codes[batch.index] = codes
        return _record(graph, encoders=f_terms, helpers=b_terms)

    @torch.no_grad()
    def _initial_codes(self) -> Tensor:
        """Discrete codes of all rows under the initial networks; (n, c)."""
        count = len(self.rows.image)
        codes = torch.empty(count, self.params.bits, device=self.device)
        for index in torch.arange(count, device=self.device).split(self.params.batch):
            batch = self.rows.select(index)
            encoded = self._encode(batch)
            helped = self._help(encoded, self._graph(batch))
            codes[index] = discrete_codes(encoded, helped, self.params)
        return codes

    def _graph(self, batch: Batch) -> Graph:
        """The graph of the batch from its frozen features."""
        similarity = aggregated_similarity(self.joint_features[batch.index], self.params.rho)
        return Graph(normalised_adjacency(similarity), 2 * similarity - 1)

    def _encode(self, batch: Batch) -> Encoded:
        """Both encoders in the chosen precision; what they return is float32."""
        with self._autocast():
            encoded = self.model.encode(batch.image, batch.text)
        return Encoded(*(tensor.float() for tensor in encoded))

    def _help(self, encoded: Encoded, graph: Graph) -> Helped:
        """Fusion and graph networks in the chosen precision; what they return is float32."""
        with self._autocast():
            helped = self.model.help(encoded, graph.adjacency)
        return helped.map(Tensor.float)

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32)

    def _stepper(self, modules: tuple[str, ...]) -> Stepper:
        rates = {name: getattr(self.params.learning_rate, name) for name in modules}
        groups = [
            {"params": list(getattr(self.model, name).parameters()), "lr": rate}
            for name, rate in rates.items()
        ]
        return Stepper([group for group in groups if group["params"]], self.params, self.dtype)


def build(params: TrainParams, image_dim: int, text_dim: int) -> AGCH:
    """The networks for `params`; with delta 0 the graph branch is left out (AGCH-5)."""
    gcn_hidden = params.gcn_hidden if params.delta else 0
    return AGCH(image_dim, text_dim, params.bits, params.hidden, gcn_hidden)


def _record(graph: Graph, **blocks: Terms) -> Terms:
    """What is logged of a step: each block's loss, its weighted terms, the scale of the target."""
    size = len(graph.target)
    off_diagonal = graph.target[~torch.eye(size, dtype=torch.bool, device=graph.target.device)]
    losses = {block: sum_of(terms.values()) for block, terms in blocks.items()}
    return {
        "loss/total": sum_of(losses.values()),
        **{f"loss/{block}": loss for block, loss in losses.items()},
        **{f"{block}/{n}": value for block, terms in blocks.items() for n, value in terms.items()},
        "target/mean": off_diagonal.mean(),
        "target/std": off_diagonal.std(),
    }
