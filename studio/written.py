"""The space as users write it: in a file, and on the command line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from studio.errors import StudioError
from studio.space import Space, parse


class Loader(yaml.SafeLoader):
    """YAML in which 1e-5 is a number."""


Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"),
    list("+-.0123456789"),
)


def written_space(recommended: Mapping[str, Any], file: Path | None, pairs: Sequence[str]) -> Space:
    """The recommended space, or that of a file, with the changes of `KEY=RANGE` pairs.

    Raises:
        StudioError: Something cannot be read; the message says what.
    """
    found: Any = recommended
    if file:
        try:
            found = _read(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StudioError(f"cannot read {file}: {error}") from None
        if not isinstance(found, dict):
            raise StudioError(f"{file} must map names to ranges; see studio.space")
    changes = {}
    for pair in pairs:
        name, equals, given = pair.partition("=")
        if not equals:
            raise StudioError(f"--set takes KEY=RANGE; got '{pair}'")
        try:
            changes[name] = _read(given)
        except ValueError as error:
            raise StudioError(f"cannot read --set {pair}: {error}") from None
    return parse(found).changed(changes)


def _read(text: str) -> Any:
    try:
        return yaml.load(text, Loader)
    except yaml.YAMLError as error:
        raise ValueError(str(error)) from None
