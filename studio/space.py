"""The space that a study searches: parameters by name, with ranges, choices and conditions.

Written down as a mapping, in YAML or by an adapter:

    train.rate:   {low: 1.0e-4, high: 1.0e-2, log: true}        # float, because an end is one
    train.layers: {low: 1, high: 4}                              # int, because both ends are
    train.share:  {low: 0.0, high: 0.9, step: 0.1}
    train.kind:   [small, large]                                 # choices; [true, false] for a bool
    train.width:  {low: 8, high: 64, when: {train.kind: large}}  # searched only then
    train.seed:   3                                              # fixed
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from studio.errors import StudioError

Value = bool | int | float | str | None
Values = dict[str, Value]
KEYS = {"low", "high", "log", "step", "choices", "when"}


@dataclass(frozen=True)
class Param:
    """One parameter.

    Attributes:
        low, high: The ends of a range, both inside; `None` where there are choices.
        log: Whether the range is searched on a logarithmic scale. step: Between its values.
        choices: What it may be; a single one is fixed.
        when: Values that other parameters must have, else this one is left alone.
    """

    name: str
    low: float | None = None
    high: float | None = None
    log: bool = False
    step: float | None = None
    choices: tuple[Value, ...] = ()
    when: tuple[tuple[str, Value], ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        return all(isinstance(each, int) for each in (self.low, self.high, self.step or 1))

    @property
    def fixed(self) -> bool:
        """Whether there is nothing to choose."""
        return len(self.choices) == 1

    def active(self, others: Mapping[str, Value]) -> bool:
        """Whether its conditions hold."""
        return all(name in others and others[name] == value for name, value in self.when)

    def holds(self, value: Value) -> bool:
        """Whether the value is one that could have been asked for."""
        if self.choices:
            return any(value == each and type(value) is type(each) for each in self.choices)
        number = isinstance(value, int if self.whole else (int, float))
        if not number or isinstance(value, bool) or self.low is None or self.high is None:
            return False
        if not self.low <= float(value) <= self.high:  # type: ignore[arg-type]
            return False
        steps = (float(value) - self.low) / self.step if self.step else 0.0  # type: ignore
        return math.isclose(steps, round(steps), abs_tol=1e-6)

    def described(self) -> Any:
        """As it is written down."""
        if self.fixed and not self.when:
            return self.choices[0]
        ends = {"low": self.low, "high": self.high, "step": self.step}
        found: dict[str, Any] = {key: end for key, end in ends.items() if end is not None}
        found |= {"log": True} if self.log else {}
        found |= {"choices": list(self.choices)} if self.choices else {}
        return found | ({"when": dict(self.when)} if self.when else {})


class Space:
    """Parameters in an order in which conditions come before what depends on them."""

    def __init__(self, params: Mapping[str, Param]) -> None:
        self.params = _ordered(dict(params))

    def __iter__(self) -> Iterator[Param]:
        return iter(self.params.values())

    @property
    def searched(self) -> list[str]:
        """The names of those that are not fixed."""
        return [param.name for param in self if not param.fixed]

    def holds(self, values: Mapping[str, Value]) -> bool:
        """Whether a trial of these values could have been asked for here."""
        active = {param.name for param in self if param.active(values)}
        return active == set(values) and all(
            self.params[name].holds(value) for name, value in values.items()
        )

    def described(self) -> dict[str, Any]:
        """As it is written down; `parse` reads it."""
        return {param.name: param.described() for param in self}

    def changed(self, changes: Mapping[str, Any]) -> Space:
        """With other ranges; what is `None` is not searched any more.

        Raises:
            StudioError: As `parse`.
        """
        merged = {**self.described(), **changes}
        return parse({name: given for name, given in merged.items() if given is not None})


def parse(written: Mapping[str, Any]) -> Space:
    """The space that is written down.

    Raises:
        StudioError: Lists every problem with the parameter's name.
    """
    params, problems = {}, []
    for name, given in written.items():
        try:
            params[name] = _param(str(name), given)
        except ValueError as error:
            problems.append(f"  {name}: {error}")
    for param in params.values():
        problems += [
            f"  {param.name}: depends on {name}, which is not in the space"
            for name, _ in param.when
            if name not in written
        ]
    if problems:
        raise StudioError("cannot use the search space:\n" + "\n".join(problems))
    return Space(params)


def _param(name: str, given: Any) -> Param:
    if isinstance(given, list):
        given = {"choices": given}
    if not isinstance(given, dict):
        given = {"choices": [given]}
    if unknown := [key for key in given if key not in KEYS]:
        raise ValueError(f"unknown key {unknown[0]!r}; known: {', '.join(sorted(KEYS))}")
    when = _conditions(given.get("when"))
    if "choices" in given:
        return Param(name, choices=_choices(given), when=when)
    low, high = (_number(given, end) for end in ("low", "high"))
    if not low < high:
        raise ValueError(f"low must be below high; got {low} and {high}")
    log = bool(given.get("log"))
    step = None if given.get("step") is None else _number(given, "step")
    if log and low <= 0:
        raise ValueError(f"a logarithmic range starts above 0; got {low}")
    if step is not None and (log or not _leads(low, high, step)):
        raise ValueError(
            f"step must fit some times exactly into the range, which is not logarithmic; got {step}"
        )
    return Param(name, low, high, log, step, when=when)


def _leads(low: float, high: float, step: float) -> bool:
    steps = (high - low) / step if step > 0 else 0.0
    return round(steps) > 0 and math.isclose(steps, round(steps), abs_tol=1e-6)


def _conditions(given: Any) -> tuple[tuple[str, Value], ...]:
    if given is not None and not isinstance(given, dict):
        raise ValueError(f"when is a mapping of other parameters to their values; got {given!r}")
    return tuple((given or {}).items())


def _choices(given: dict[str, Any]) -> tuple[Value, ...]:
    if not isinstance(given["choices"], list | tuple):
        raise ValueError(f"choices are a list; got {given['choices']!r}")
    choices = tuple(given["choices"])
    if not choices or any(not isinstance(each, bool | int | float | str) for each in choices):
        raise ValueError(f"choices are numbers, texts or booleans, at least one; got {choices}")
    if {"low", "high", "log", "step"} & set(given):
        raise ValueError("either choices or a range from low to high, not both")
    return choices


def _number(given: dict[str, Any], key: str) -> float:
    value = given.get(key)
    try:
        if isinstance(value, bool) or value is None:
            raise ValueError
        number = value if isinstance(value, int | float) else float(value)  # YAML: 1e-5 is text
        if not math.isfinite(number):
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{key} must be a number; got {value!r}") from None
    return number


def _ordered(left: dict[str, Param]) -> dict[str, Param]:
    ordered: dict[str, Param] = {}
    while left:
        ready = [n for n, p in left.items() if all(other in ordered for other, _ in p.when)]
        if not ready:
            raise StudioError(f"parameters wait for each other: {', '.join(sorted(left))}")
        ordered |= {name: left.pop(name) for name in ready}
    return ordered
