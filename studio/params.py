"""The parameters of a project: the file `params.yaml`, by names such as `fit.rate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from studio.errors import StudioError
from studio.space import Param, Space, Values

PARAMS = "params.yaml"


def read_params(project: Path) -> Any:
    """All of a project's parameters.

    Raises:
        StudioError: The file is missing, or is no YAML.
    """
    try:
        return yaml.safe_load((project / PARAMS).read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise StudioError(f"cannot read {project / PARAMS}: {error}") from None


def own_values(params: Any, space: Space) -> Values | None:
    """The project's own values of what is searched; `None` if they lie outside the space.

    Raises:
        StudioError: The space has a parameter that the project does not have.
    """
    own = {param.name: look_up(params, param.name) for param in space}
    values: Values = {}
    for param in space:
        if param.active(values):
            values[param.name] = (
                param.choices[0] if param.fixed else _fitting(own[param.name], param)
            )
    return values if space.holds(values) else None


def _fitting(value: Any, param: Param) -> Any:
    """A value such as 160.0 as the whole number that a range of these asks for."""
    whole = param.low is not None and param.whole
    return int(value) if whole and isinstance(value, float) and value.is_integer() else value


def look_up(params: Any, name: str) -> Any:
    """One parameter.

    Raises:
        StudioError: There is none of this name.
    """
    section, last = _place(params, name)
    return section[last]


def put(params: Any, name: str, value: Any) -> None:
    """Change one parameter in place.

    Raises:
        StudioError: There is none of this name.
    """
    section, last = _place(params, name)
    section[last] = value


def _place(params: Any, name: str) -> tuple[dict[str, Any], str]:
    """The section that has a parameter, and its key there."""
    *path, last = name.split(".")
    found = params
    for key in path:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, dict) or last not in found:
        raise StudioError(f"{PARAMS} has no parameter '{name}'")
    return found, last
