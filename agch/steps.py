"""What one batch does to networks and discrete codes: by AGCH's two schedules, or a peer's loss."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

import torch
from torch import Tensor

from agch.batches import Batch, TrainingSet
from agch.encoders import build, weigh_words
from agch.errors import InputError
from agch.forward import Forward
from agch.hyperparameters import TrainParams
from agch.model import Encoded
from agch.objective import Objective, Terms
from agch.peers import PEERS
from agch.ranks import Ranks
from agch.stepping import Stepper, compute_dtype
from agch.target import Graphs

BLOCKS: dict[str, list[tuple[str, ...]]] = {
    "joint": [("image", "text", "fusion", "gcn")],
    "alternating": [("image", "text"), ("fusion", "gcn")],
}


class Steps:
    """Networks, optimisers and discrete codes, and the step that a batch takes with them.

    Args:
        rows: The training set, on the device that trains.
        params: Section `train`.
        start: Initial weights of the image encoder's hidden layers, for `alexnet_fc`.
        ranks: The processes that share every batch; all are given the same rows.

    Attributes:
        step: Takes a step on a batch; returns what is to be recorded of it.
        size: Rows of a batch: as many as asked for, or as there are.

    Raises:
        InputError: There are too few rows for a batch.
    """

    step: Callable[[Batch], Terms]

    def __init__(
        self, rows: TrainingSet, params: TrainParams, start: dict[str, Tensor] | None, ranks: Ranks
    ) -> None:
        count = len(rows.image)
        self.size = min(params.batch, count - count % ranks.size)
        if self.size < 2:
            raise InputError(
                f"{count} training rows for {ranks.size} processes make no batch, which has 2 rows "
                "at least; raise split.train"
            )
        self.rows, self.params, self.device = rows, params.in_force(), rows.image.device
        self.model = build(params, rows.image_input.shape[1], rows.text.shape[1]).to(self.device)
        if start:
            self.model.image.hidden.load_state_dict(start)
        if self.params.extensions.idf:
            weigh_words(self.model, rows.text)
        self.dtype = compute_dtype(params.precision, self.device)
        self.objective = Objective(self.params)
        self.graphs = Graphs(rows, self.params)
        self.others = 1 - torch.eye(self.size, device=self.device)
        self.codes = torch.empty(0, device=self.device)
        if params.method != "agch":
            self.peer = PEERS[params.method](rows, self.size)
            schedule, self.step = "joint", self._follow
        elif params.schedule == "joint":
            schedule, self.step = "joint", self._join
        else:
            schedule, self.step = "alternating", self._alternate
            self.forward = Forward(self.model, self.dtype)
            self.codes = self._initial_codes()
        self.steppers = [self._stepper(modules) for modules in BLOCKS[schedule]]
        self.forward = Forward(self.model, self.dtype, ranks, params.compile)

    def _join(self, batch: Batch) -> Terms:
        """One backward pass over Eq. 16 (the paper's Algorithm 1)."""
        encoded = self.forward.encode(batch)
        graph = self.graphs(batch, encoded.image_features)
        helped = self.forward.help(encoded, graph.adjacency)
        terms = self.objective.joint(graph.target, encoded, helped)
        self.steppers[0].step(terms)
        return self._recorded(graph.target, joint=terms)

    def _alternate(self, batch: Batch) -> Terms:
        """F-step on the encoders, B-step on codes, fusion and graph networks.

        One forward pass serves both: neither step sees what the other has just changed.
        """
        encoders, helpers = self.steppers
        encoded = self.forward.encode(batch)
        fixed = Encoded(*(tensor.detach() for tensor in encoded))
        graph = self.graphs(batch, fixed.image_features)
        helped = self.forward.help(fixed, graph.adjacency)
        before, codes = self.codes[batch.index], self.objective.codes(fixed, helped)
        f_terms = self.objective.encoders(graph.target, encoded, helped, before)
        b_terms = self.objective.helpers(graph.target, encoded, helped, codes)
        encoders.step(f_terms)
        taken = helpers.step(b_terms)
        self.codes[batch.index] = torch.where(taken, codes, before)
        return self._recorded(graph.target, encoders=f_terms, helpers=b_terms)

    def _follow(self, batch: Batch) -> Terms:
        """One backward pass over a peer's loss."""
        target, encoded = self.peer.target(batch.index), self.forward.encode(batch)
        terms = self.peer.terms(target, encoded)
        self.steppers[0].step(terms)
        return self._recorded(target, joint=terms)

    @torch.no_grad()
    def _initial_codes(self) -> Tensor:
        """Discrete codes of all rows under the initial networks, without dropout; (n, c)."""
        count = len(self.rows.image)
        codes = torch.empty(count, self.params.bits, device=self.device)
        self.model.eval()
        for index in torch.arange(count, device=self.device).split(self.size):
            batch = self.rows.select(index)
            encoded = self.forward.encode(batch)
            graph = self.graphs(batch, encoded.image_features)
            helped = self.forward.help(encoded, graph.adjacency)
            codes[index] = self.objective.codes(encoded, helped)
        return codes

    def _stepper(self, names: tuple[str, ...]) -> Stepper:
        """The optimiser of a block, each module at its own rate; modules left out are skipped."""
        groups: dict[float, list[Tensor]] = defaultdict(list)
        for name in names:
            module = getattr(self.model, name)
            if module is not None:
                groups[getattr(self.params.learning_rate, name)] += module.parameters()
        each = [{"params": tensors, "lr": rate} for rate, tensors in groups.items() if tensors]
        return Stepper(each, self.params, self.dtype)

    def _recorded(self, target: Tensor, **blocks: Terms) -> Terms:
        """What is logged of a step: the weighted terms of each block, the scale of the target."""
        count = len(target) * (len(target) - 1)
        mean = (target * self.others).sum() / count
        deviations = (target - mean) * self.others
        return {
            **{f"{block}/{n}": v for block, terms in blocks.items() for n, v in terms.items()},
            "target/mean": mean,
            "target/std": (deviations.square().sum() / (count - 1)).sqrt(),
        }
