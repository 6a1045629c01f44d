"""Section `train`: every choice of the method, with the symbols of the AGCH paper."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from agch.schema import Bits, Float, section

Weight = Annotated[Float, Field(ge=0)]
Positive = Annotated[Float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


@section
class LearningRates:
    """One learning rate for each group of modules."""

    image: Positive
    text: Positive
    fusion: Positive
    gcn: Positive


@section
class TrainParams:
    """See `params.yaml` for units, choices and the paper's values."""

    bits: Annotated[Bits, Field(ge=8, le=1024)]
    alpha: Weight
    beta: Weight
    lambda_: Annotated[Weight, Field(alias="lambda")]
    delta: Weight
    gamma_v: Positive
    gamma_t: Positive
    gamma_power: Literal[1, 2]
    rho: Positive
    schedule: Literal["alternating", "joint"]
    epochs: Count
    batch: Annotated[int, Field(ge=2)]
    optimizer: Literal["adam", "sgd"]
    learning_rate: LearningRates
    momentum: Annotated[Float, Field(ge=0, lt=1)]
    weight_decay: Weight
    hidden: Count
    gcn_hidden: Count
    select: Literal["last", "best"]
    precision: Literal["auto", "fp32", "bf16", "fp16"]
    seed: Annotated[int, Field(ge=0, lt=2**63)]

    def __post_init__(self) -> None:
        """Reject weights under which nothing would be learned."""
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
