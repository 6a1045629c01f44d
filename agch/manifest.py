"""The manifest between stages: a JSON object a line, one for each item, in order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from agch.files import replacing

Entry = dict[str, Any]
"""What is known of an item: id, title, tags, labels, caption, split."""


def write_manifest(path: Path, entries: Iterable[Mapping[str, Any]]) -> None:
    """Write the entries; the file appears when it is complete."""
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="\n") as file:
        for entry in entries:
            file.write(json.dumps(entry, ensure_ascii=False) + "\n")


def read_manifest(path: Path) -> list[Entry]:
    """The entries that `write_manifest` wrote; a line ends at a line feed and nowhere else."""
    with path.open(encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file]
