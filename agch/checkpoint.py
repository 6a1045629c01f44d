"""Model files, and the checkpoints from which a killed training continues.

A checkpoint lies outside the pipeline's outputs in a folder named by everything that decides the
result: parameters, inputs, and the library's own source. Any other key never resumes from it.
"""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import agch
from agch.errors import InputError
from agch.files import replacing, sha256

SECONDS_BETWEEN = 5.0
LEAST_BETWEEN = 30
"""How many times as long as a save takes passes before the next: saving costs 3 % or less."""


def save(path: Path, content: dict[str, Any]) -> None:
    """Write `content` with `torch.save`, whole or not at all.

    It goes through memory, because the bytes of `torch.save(path)` contain the file's name.
    """
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as part:
        part.write_bytes(buffer.getbuffer())


def load(path: Path, stage: str) -> dict[str, Any]:
    """Read a file of `save` onto the CPU.

    Raises:
        InputError: Absent or unreadable; the message names the stage that makes it.
    """
    if not path.is_file():
        raise InputError(f"{path} not found; make it with `dvc repro {stage}`")
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # damaged bytes surface as many types
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise InputError(
            f"{path} cannot be read ({reason}); delete it and run `dvc repro {stage}`"
        ) from None
    return content


def run_key(params: dict[str, Any], inputs: list[Path]) -> str:
    """Hex digest of the resolved parameters, the input files and the library's source."""
    digest = hashlib.sha256(json.dumps(params, sort_keys=True).encode())
    source = sorted(Path(agch.__file__).parent.rglob("*.py"))
    for path in [*inputs, *source]:
        digest.update(sha256(path).encode())
    digest.update(torch.__version__.encode())
    return digest.hexdigest()[:32]


class Checkpoint:
    """The last saved state of one training run, `folder/<key>/last.pt`."""

    def __init__(self, folder: Path, key: str) -> None:
        self.path = folder / key / "last.pt"
        self.due = time.monotonic() + SECONDS_BETWEEN

    def restore(self) -> dict[str, Any] | None:
        """The saved state, or `None`; a damaged file is reported and ignored."""
        if not self.path.is_file():
            return None
        try:
            return load(self.path, "train")
        except InputError as error:
            print(f"warning: {error}; starting from the first epoch")
            return None

    def save(self, state: dict[str, Any]) -> None:
        """Save now."""
        start = time.monotonic()
        save(self.path, state)
        end = time.monotonic()
        self.due = end + max(SECONDS_BETWEEN, LEAST_BETWEEN * (end - start))

    def save_if_due(self, state: Callable[[], dict[str, Any]]) -> None:
        """Save what `state` returns, unless the last time was a short while ago."""
        if time.monotonic() >= self.due:
            self.save(state())

    def discard(self) -> None:
        """Delete it: the run has ended well."""
        shutil.rmtree(self.path.parent, ignore_errors=True)
