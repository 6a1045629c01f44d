"""The ranges of a new study's form: those recommended, or those of an earlier study."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from studio.params import look_up
from studio.space import Param, Space

Mode = Literal["search", "fix", "leave"]


@dataclass(frozen=True)
class Row:
    """A recommended parameter, what is to become of it, and the value if it is fixed."""

    param: Param
    mode: Mode
    value: Any


def rows(
    recommended: Space, earlier: Space | None, own: Mapping[str, Any]
) -> tuple[list[Row], list[str]]:
    """What a form starts with.

    Args:
        earlier: That of the study to go on from, if any.
        own: The project's parameters: their values are offered to be fixed.

    Returns:
        The rows, and lines `PARAMETER=RANGE` of what rows cannot say.
    """
    found: list[Row] = []
    lines: dict[str, Param] = {}
    for param in recommended:
        old, value = param, look_up(own, param.name)
        if earlier:
            if param.name not in earlier.params:
                found.append(Row(param, "leave", value))
                continue
            old = earlier.params[param.name]
        if old.fixed and not old.when:
            found.append(Row(param, "fix", old.choices[0]))
        else:
            shown = replace(param, low=old.low, high=old.high)
            found.append(Row(shown if shown == old else param, "search", value))
            if shown != old:
                lines[param.name] = old
    for name, old in (earlier.params if earlier else {}).items():
        if name not in recommended.params:
            lines[name] = old
    return found, [f"{name}={json.dumps(old.described())}" for name, old in lines.items()]
