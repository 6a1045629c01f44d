"""Typed parameters: frozen dataclasses that refuse what they do not understand.

A section of parameters is a class decorated with `section`. `parse` builds it from a mapping and
reports every problem at once: unknown keys with the nearest known name, missing keys, wrong types,
values out of range, and conflicts between fields (a `ValueError` raised in `__post_init__`).
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, dataclass_transform

from pydantic import AfterValidator, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from agch.errors import InputError

T = TypeVar("T")


class ParamsError(InputError):
    """Parameters that cannot be used; the message lists every problem of the section."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def section(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only section of parameters; unknown keys are errors."""
    config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    made: type[T] = dataclass(frozen=True, kw_only=True, config=config)(cls)  # type: ignore
    return made


def number(value: object) -> object:
    """YAML 1.1 reads `1e-05` as text, and `dvc exp run -S lr=0.00001` writes just that."""
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _bytewise(bits: int) -> int:
    if bits % 8:
        raise ValueError(f"must be a multiple of 8, because codes are stored packed; got {bits}")
    return bits


Float = Annotated[float, BeforeValidator(number)]
Bits = Annotated[int, AfterValidator(_bytewise)]


def parse(cls: type[T], values: Mapping[str, Any] | None, name: str) -> T:
    """Build section `cls` from `values`.

    Args:
        cls: A class decorated with `section`.
        values: What was read for it; `None` (an empty or absent section) has no keys.
        name: The section's name, for messages.

    Raises:
        ParamsError: One line per problem, each with the key, the rule and the value found.
    """
    try:
        # Through JSON, because its strict mode takes lists for tuples and nothing else loosely.
        return TypeAdapter(cls).validate_json(json.dumps(values or {}, default=str))
    except ValidationError as error:
        problems = "\n".join(f"  {_describe(name, problem, cls)}" for problem in error.errors())
        raise ParamsError(f"cannot use section '{name}' of the parameters:\n{problems}") from None


def _describe(name: str, problem: Any, cls: type) -> str:
    """One problem in a line: where, what is wrong, what was found, what to do."""
    key = ".".join(str(part) for part in (name, *problem["loc"]))
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        known = _keys(cls, problem["loc"][:-1])
        near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1, cutoff=0)
        return f"{key}: unknown key; did you mean '{near[0]}'? (known: {', '.join(known)})"
    if problem["type"] == "missing":
        return f"{key}: missing; add it to the section"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return f"{key}: {message}"
    return f"{key}: {message}; got {json.dumps(problem['input'])}"


def _keys(cls: type, path: tuple[str | int, ...]) -> list[str]:
    """Known keys of the section, or of the section nested under `path`, as the file spells them."""
    fields = cls.__pydantic_fields__  # type: ignore[attr-defined]
    for part in path:
        nested = next(f for k, f in fields.items() if (f.alias or k) == part)
        fields = nested.annotation.__pydantic_fields__
    return [field.alias or key for key, field in fields.items()]
