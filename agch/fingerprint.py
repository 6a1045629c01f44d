"""Noticing that a file or folder has changed, without reading 100,000 pictures."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from agch.errors import InputError
from agch.files import sha256
from agch.published_files import PIN


def fingerprint(path: Path) -> tuple[str, int]:
    """A digest that changes with `path`, and how many files it speaks for.

    A file stands by its content. A folder stands by its listing: of every file that is not hidden
    the name, the size and the time of the last change; where a digest was pinned beside the file
    (see `agch.published_files`) since then, that instead, to be the same on another machine.

    Raises:
        InputError: A file or folder cannot be read, or a link leads round in a circle.
    """
    try:
        if path.is_file():
            return sha256(path), 1
        lines = sorted(_listing(path, ""))
    except OSError as error:
        raise InputError(
            f"{error.filename or path}: {error.strerror}; expected a data source that can be read: "
            "correct the permissions, or remove the link that leads back"
        ) from None
    return hashlib.sha256("\n".join(lines).encode(errors="surrogateescape")).hexdigest(), len(lines)


def _listing(folder: Path, prefix: str) -> Iterator[str]:
    entries = {e.name: e for e in os.scandir(folder) if not e.name.startswith(".")}
    for name, entry in entries.items():
        if entry.is_dir():
            yield from _listing(folder / name, f"{prefix}{name}/")
        elif entry.is_file() and not name.endswith((PIN, ".part", ".part.json")):
            found, pin = entry.stat(), entries.get(name + PIN)
            state = str(found.st_mtime_ns)
            if pin and pin.stat().st_mtime_ns >= max(found.st_mtime_ns, found.st_ctime_ns):
                state = Path(pin.path).read_text(encoding="utf-8")
            yield f"{prefix}{name}\0{found.st_size}\0{state}"
