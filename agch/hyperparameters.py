"""Section `train`: every choice of the method, with the symbols of the AGCH paper."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import Annotated, Literal

from pydantic import Field

from agch.schema import Bits, Float, section

Weight = Annotated[Float, Field(ge=0)]
Positive = Annotated[Float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[Float, Field(ge=0, lt=1)]
Length = Annotated[Bits, Field(ge=8, le=1024)]


@section
class LearningRates:
    """One learning rate for each group of modules."""

    image: Positive
    text: Positive
    fusion: Positive
    gcn: Positive


@section
class Extensions:
    """What goes beyond the paper; in force under `variant: agch+` alone."""

    contrastive: Weight
    temperature: Positive
    dropout: Share
    idf: bool


@section
class TrainParams:
    """See `params.yaml` for units, choices and the paper's values."""

    method: Literal["agch", "djsrh", "jdsh"]
    variant: Literal["paper", "agch+"]
    bits: Length
    nested: tuple[Length, ...]
    alpha: Weight
    beta: Weight
    lambda_: Annotated[Weight, Field(alias="lambda")]
    delta: Weight
    gamma_v: Positive
    gamma_t: Positive
    gamma_power: Literal[1, 2]
    rho: Positive
    distance: Literal["norm", "root"]
    similarity: Literal["product", "cosine", "distance", "mixed"]
    mixed_weight: Annotated[Float, Field(ge=0, le=1)]
    similarity_image: Literal["frozen", "encoder"]
    target_scale: Literal["paper", "calibrated"]
    target_mean: Annotated[Float, Field(gt=-1, lt=1)]
    reduction: Literal["pairs", "entries", "sum"]
    fusion: bool
    gcn_detach: bool
    tanh_scale: Literal["one", "growing"]
    text_input: Literal["raw", "unit"]
    image_encoder: Literal["mlp", "alexnet_fc"]
    schedule: Literal["alternating", "joint"]
    epochs: Count
    batch: Annotated[int, Field(ge=2)]
    optimizer: Literal["adam", "sgd"]
    learning_rate: LearningRates
    momentum: Share
    weight_decay: Weight
    hidden: Count
    gcn_hidden: Annotated[tuple[Count, ...], Field(min_length=2, max_length=2)]
    select: Literal["last", "best"]
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    compile: bool
    tensorboard: bool
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    extensions: Extensions

    def __post_init__(self) -> None:
        """Reject weights under which nothing would be learned, and choices that contradict."""
        if self.alpha == self.beta == self.delta == 0:
            raise ValueError(
                "alpha, beta and delta are all 0, so no term looks at the similarity target; "
                "set at least one of them above 0"
            )
        if self.schedule == "alternating" and self.lambda_ == 0:
            raise ValueError(
                "schedule 'alternating' needs lambda above 0: it weighs the heads that the "
                "discrete codes follow; raise it, or use schedule 'joint'"
            )
        if self.schedule == "alternating" and not self.fusion and not self.delta:
            raise ValueError(
                "schedule 'alternating' without fusion and with delta 0 has no network left for "
                "its B-step; use schedule 'joint'"
            )
        if self.similarity_image == "encoder" and self.in_force().target_scale == "calibrated":
            raise ValueError(
                "target_scale 'calibrated' measures the frozen features, which similarity_image "
                "'encoder' replaces; use target_scale 'paper'"
            )
        rising = list(self.nested) == sorted(set(self.nested))
        if self.nested and not (rising and self.nested[-1] == self.bits):
            raise ValueError(
                f"nested must rise and end in bits ({self.bits}); got {list(self.nested)}"
            )
        if self.nested and self.method != "agch":
            raise ValueError(f"nested needs method 'agch'; got '{self.method}'")

    @property
    def name(self) -> str:
        """What tables call the codes: AGCH, AGCH+, or a peer."""
        plus = self.method == "agch" and self.variant == "agch+"
        return (self.variant if plus else self.method).upper()

    @property
    def lengths(self) -> tuple[int, ...]:
        """The prefixes of a code that every loss looks at; without `nested` the whole code."""
        return self.nested or (self.bits,)

    def in_force(self) -> TrainParams:
        """These parameters with everything that `variant: paper` leaves out switched off.

        The peers have no variant: they take the plain inputs of the paper, too.
        """
        if self.method == "agch" and self.variant == "agch+":
            return self
        off = replace(self.extensions, contrastive=0.0, dropout=0.0, idf=False)
        plain = copy(self)
        object.__setattr__(plain, "extensions", off)
        object.__setattr__(plain, "target_scale", "paper")
        return plain
