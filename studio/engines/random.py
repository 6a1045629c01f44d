"""Random search: no model, no dependency, hard to beat where few parameters matter."""

from __future__ import annotations

import math
import random

from studio.engines.base import BaseSearchEngine
from studio.space import Param, Value, Values


class RandomEngine(BaseSearchEngine):
    """Draws each parameter from its range, each trial from a seed of its own."""

    name = "random"
    capabilities = frozenset({"several objectives"})

    def ask(self, number: int) -> Values:
        """Independent draws; a parameter whose condition does not hold is left out."""
        generator = random.Random(self.seed_of(number))
        values: Values = {}
        for param in self.space:
            if param.active(values):
                values[param.name] = draw(param, generator)
        return values


def draw(param: Param, generator: random.Random) -> Value:
    """One value, uniform over the choices, the steps or the (logarithmic) range."""
    if param.choices:
        return generator.choice(param.choices)
    low, high = param.low, param.high
    assert low is not None and high is not None
    if param.step or (param.whole and not param.log):
        step = param.step or 1
        count = math.floor((high - low) / step + 1e-9)
        return min(low + step * generator.randint(0, count), high)
    if not param.log:
        return generator.uniform(low, high)
    if param.whole:  # each whole number has the width that it rounds from
        drawn = math.exp(generator.uniform(math.log(low - 0.5), math.log(high + 0.5)))
        return min(max(round(drawn), int(low)), int(high))
    return min(max(math.exp(generator.uniform(math.log(low), math.log(high))), low), high)
