"""Read sections of `params.yaml`, and run a stage with one clear error instead of a traceback."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import yaml

from agch.errors import InputError
from agch.schema import ParamsError, parse

T = TypeVar("T")
PARAMS = Path("params.yaml")
SECTIONS = ("train", "split", "extract", "data", "evaluate", "baseline", "runtime")


def read() -> dict[str, Any]:
    """Read the whole file.

    Raises:
        ParamsError: It is absent, is no YAML, is no mapping, or has a section nobody reads.
    """
    try:
        values = yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ParamsError(f"{PARAMS} not found; run stages from the repository's root") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, no such date
        raise ParamsError(f"{PARAMS} is not valid YAML: {error}") from None
    if not isinstance(values, dict):
        raise ParamsError(
            f"{PARAMS}: expected a mapping of sections, found {type(values).__name__}"
        )
    for name in values:
        if name not in SECTIONS:
            near = difflib.get_close_matches(str(name), SECTIONS, n=1, cutoff=0)[0]
            raise ParamsError(f"{PARAMS}: unknown section '{name}'; did you mean '{near}'?")
    return values


def load(name: str, cls: type[T]) -> T:
    """Section `name` of `params.yaml` as the typed `cls`; raises `ParamsError`."""
    return parse(cls, read().get(name), name)


def wants_strict() -> bool:
    """Whether to pin before torch is imported; of broken parameters `load` will speak."""
    try:
        return bool(read().get("runtime", {}).get("reproducibility") != "fast")
    except (ParamsError, AttributeError):
        return True


def run(main: Callable[[], None]) -> None:
    """Run a stage's `main`; an error that the user can mend is one message and exit status 1."""
    try:
        main()
    except InputError as error:
        sys.exit(f"error: {error}")
