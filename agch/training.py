"""Training from features in memory: AGCH by one of two schedules, or one of its peers.

`Trainer.epoch` runs one pass; who calls it decides about checkpoints, logs and validation.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from torch import Generator, Tensor

from agch.batches import Batch, TrainingSet
from agch.encoders import build, weigh_words
from agch.errors import InputError
from agch.hyperparameters import TrainParams
from agch.model import Encoded, Helped
from agch.objective import Objective, Terms, sum_of
from agch.peers import PEERS
from agch.record import finite_mean
from agch.stepping import Stepper, compute_dtype
from agch.target import Graph, Graphs

BLOCKS: dict[str, list[tuple[str, ...]]] = {
    "joint": [("image", "text", "fusion", "gcn")],
    "alternating": [("image", "text"), ("fusion", "gcn")],
}


class Trainer:
    """Model, optimisers and discrete codes, trained epoch by epoch.

    Args:
        rows: The training set, on the device that trains.
        params: Section `train`.
        generator: Seeded CPU generator that orders the batches.
        start: Initial weights of the image encoder's hidden layers, for `alexnet_fc`.

    Raises:
        InputError: There are fewer rows than a batch holds.
    """

    def __init__(
        self,
        rows: TrainingSet,
        params: TrainParams,
        generator: Generator,
        start: dict[str, Tensor] | None = None,
    ) -> None:
        if len(rows.image) < params.batch:
            raise InputError(
                f"train.batch is {params.batch}, but there are only {len(rows.image)} training "
                "rows; lower train.batch or raise split.train"
            )
        self.rows, self.params, self.generator = rows, params.in_force(), generator
        self.device = rows.image.device
        self.model = build(params, rows.image_input.shape[1], rows.text.shape[1]).to(self.device)
        if start:
            self.model.image.hidden.load_state_dict(start)
        if self.params.extensions.idf:
            weigh_words(self.model, rows.text)
        self.dtype = compute_dtype(params.precision, self.device)
        own = params.method == "agch"
        self.schedule = params.schedule if own else "joint"
        self.steppers = [self._stepper(modules) for modules in BLOCKS[self.schedule]]
        self.objective = Objective(self.params)
        self.graphs = Graphs(rows, self.params)
        self.peer = None if own else PEERS[params.method](rows, params.batch)
        self.epochs = 0
        self.codes = torch.empty(0, device=self.device)
        if self.schedule == "alternating":
            self.codes = self._initial_codes()

    def epoch(self) -> dict[str, float]:
        """One pass over the rows in a new order; returns the mean of everything recorded."""
        self.model.train()
        self._pace()
        order = torch.randperm(len(self.rows.image), generator=self.generator).to(self.device)
        step = {"alternating": self._alternate, "joint": self._join}[self.schedule]
        if self.peer:
            step = self._follow
        record: dict[str, list[Tensor]] = defaultdict(list)
        for batch in self.rows.batches(order, self.params.batch):
            for name, value in step(batch).items():
                record[name].append(value.detach())
        self.epochs += 1
        return {name: finite_mean(name, torch.stack(values)) for name, values in record.items()}

    def state(self) -> dict[str, Any]:
        """Everything that the next epoch depends on; save it before that epoch changes it."""
        return {
            "model": self.model.state_dict(),
            "steppers": [stepper.state() for stepper in self.steppers],
            "codes": self.codes,
            "generator": self.generator.get_state(),
            "dropout": self._dropout_state(),
            "epochs": self.epochs,
        }

    def load_state(self, state: dict[str, Any]) -> None:
        """Continue from what `state` returned."""
        self.model.load_state_dict(state["model"])
        for stepper, saved in zip(self.steppers, state["steppers"], strict=True):
            stepper.load_state(saved)
        self.codes.copy_(state["codes"])
        self.generator.set_state(state["generator"])
        self.epochs = state["epochs"]
        if self.device.type == "cuda":
            torch.cuda.set_rng_state(state["dropout"], self.device)
        else:
            torch.set_rng_state(state["dropout"])

    @property
    def skipped_steps(self) -> int:
        """Steps left out because a loss or a gradient was not finite."""
        return sum(stepper.skipped for stepper in self.steppers)

    def _dropout_state(self) -> Tensor:
        """Dropout draws from the global random state of the device."""
        if self.device.type == "cuda":
            return torch.cuda.get_rng_state(self.device)
        return torch.get_rng_state()

    def _pace(self) -> None:
        """What changes from epoch to epoch: the scale of tanh, as DJSRH has it."""
        if self.params.tanh_scale == "growing":
            self.model.scale_tanh((self.epochs + 1) ** 0.5)

    def _join(self, batch: Batch) -> Terms:
        """One backward pass over Eq. 16 (the paper's Algorithm 1)."""
        encoded = self._encode(batch)
        graph = self.graphs(batch, encoded.image_features)
        terms = self.objective.joint(graph.target, encoded, self._help(encoded, graph))
        self.steppers[0].step(terms)
        return _record(graph.target, joint=terms)

    def _alternate(self, batch: Batch) -> Terms:
        """F-step on the encoders, then B-step on codes, fusion and graph networks."""
        encoders, helpers = self.steppers
        encoded = self._encode(batch)
        graph = self.graphs(batch, encoded.image_features)
        with torch.no_grad():
            helped = self._help(encoded, graph)
        codes = self.codes[batch.index]
        f_terms = self.objective.encoders(graph.target, encoded, helped, codes)
        encoders.step(f_terms)

        with torch.no_grad():
            encoded = self._encode(batch)
        helped = self._help(encoded, graph)
        codes = self.objective.codes(encoded, helped)
        b_terms = self.objective.helpers(graph.target, encoded, helped, codes)
        if helpers.step(b_terms):
            self.codes[batch.index] = codes
        return _record(graph.target, encoders=f_terms, helpers=b_terms)

    def _follow(self, batch: Batch) -> Terms:
        """One backward pass over a peer's loss."""
        assert self.peer
        target, encoded = self.peer.target(batch.index), self._encode(batch)
        terms = self.peer.terms(target, encoded)
        self.steppers[0].step(terms)
        return _record(target, joint=terms)

    @torch.no_grad()
    def _initial_codes(self) -> Tensor:
        """Discrete codes of all rows under the initial networks; (n, c)."""
        count = len(self.rows.image)
        codes = torch.empty(count, self.params.bits, device=self.device)
        for index in torch.arange(count, device=self.device).split(self.params.batch):
            batch = self.rows.select(index)
            encoded = self._encode(batch)
            helped = self._help(encoded, self.graphs(batch, encoded.image_features))
            codes[index] = self.objective.codes(encoded, helped)
        return codes

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

    def _stepper(self, names: tuple[str, ...]) -> Stepper:
        """The optimiser of a block, each module at its own rate; modules left out are skipped."""
        modules = {name: getattr(self.model, name) for name in names}
        groups = [
            {"params": list(module.parameters()), "lr": getattr(self.params.learning_rate, name)}
            for name, module in modules.items()
            if module is not None
        ]
        return Stepper([group for group in groups if group["params"]], self.params, self.dtype)


def _record(target: Tensor, **blocks: Terms) -> Terms:
    """What is logged of a step: each block's loss, its weighted terms, the scale of the target."""
    size = len(target)
    off_diagonal = target[~torch.eye(size, dtype=torch.bool, device=target.device)]
    losses = {block: sum_of(terms.values()) for block, terms in blocks.items()}
    return {
        "loss/total": sum_of(losses.values()),
        **{f"loss/{block}": loss for block, loss in losses.items()},
        **{f"{block}/{n}": value for block, terms in blocks.items() for n, value in terms.items()},
        "target/mean": off_diagonal.mean(),
        "target/std": off_diagonal.std(),
    }
