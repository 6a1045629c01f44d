"""The settings of a study to be, from what somebody asks for and what the project says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from studio.adapters import Adapter
from studio.engines import engine_or_random
from studio.params import own_values, read_params
from studio.runners.dvc import head
from studio.space import Space
from studio.study import Settings


def proposed(project: Path, adapter: Adapter, space: Space, asked: dict[str, Any]) -> Settings:
    """Settings with the adapter's objectives unless told otherwise, and what can be had now.

    Args:
        asked: Fields of `Settings`; `engine` is the one asked for.

    Raises:
        StudioError: The space has a parameter that the project does not have.
    """
    engine = asked.pop("engine", "optuna")
    return Settings(
        adapter=adapter.name,
        space=space.described(),
        objectives=asked.pop("objectives", None) or list(adapter.objectives),
        engine=engine,
        engine_used=engine_or_random(engine).name,
        start=own_values(read_params(project), space),
        baseline=head(project),
        **asked,
    )
