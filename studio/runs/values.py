"""Values of parameters as text: to show, and to tell equal ones from others."""

from __future__ import annotations

import json
from typing import Any


def shown(value: Any) -> str:
    """As people write it: JSON, and text without quotes unless it would be read as something else.

    `1`, `true` and `[1, 2]` are a number, a truth value and a list; `"1"` is a text.
    """
    if isinstance(value, str):
        try:
            json.loads(value)
        except ValueError:
            return value
    return json.dumps(value, ensure_ascii=False)


def same(value: Any) -> str:
    """Equal for equal values: 1 is 1.0, but not true and not "1"; the order of keys is none."""
    return json.dumps(_whole(value), sort_keys=True)


def equal(one: Any, other: Any) -> bool:
    """Whether `same` is the same of both, without writing most of them."""
    alike = type(one) is type(other) and not isinstance(one, list | dict)
    return (alike and one == other) or same(one) == same(other)


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, list):
        return [_whole(inner) for inner in value]
    if isinstance(value, dict):
        return {key: _whole(inner) for key, inner in value.items()}
    return value
