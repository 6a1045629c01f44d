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


def read_value(text: str, written: str = "") -> Any:
    """A value, or a range of them, as users write it.

    Args:
        written: With what belongs to it, for the message.

    Raises:
        StudioError: It is no YAML, is nested too deeply, or has anchors: a few lines of them can
            stand for more than there is memory.
    """
    try:
        if any(getattr(event, "anchor", None) for event in yaml.parse(text, Loader)):
            raise ValueError("it has an anchor or an alias")
        return yaml.load(text, Loader)
    except Exception as error:  # whatever makes no value raises what it likes
        raise StudioError(f"cannot read {written or text}: {error}") from None


def written_space(recommended: Mapping[str, Any], file: Path | None, pairs: Sequence[str]) -> Space:
    """The recommended space, or that of a file, with the changes of `KEY=RANGE` pairs.

    Raises:
        StudioError: Something cannot be read; the message says what.
    """
    found: Any = recommended
    if file:
        try:
            found = yaml.load(file.read_text(encoding="utf-8"), Loader)
        except (OSError, ValueError, yaml.YAMLError) as error:
            raise StudioError(f"cannot read {file}: {error}") from None
        if not isinstance(found, dict):
            raise StudioError(f"{file} must map names to ranges; see studio.space")
    changes = {}
    for pair in pairs:
        name, equals, given = pair.partition("=")
        if not equals:
            raise StudioError(f"--set takes KEY=RANGE; got '{pair}'")
        changes[name] = read_value(given, f"--set {pair}")
    return parse(found).changed(changes)
