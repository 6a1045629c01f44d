"""Files that their owners publish: what is known of each, and whether a file is that one.

Beside the file NAME lies NAME.sha256, the digest it has to keep, as `sha256sum` writes it.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from agch.errors import InputError
from agch.files import replacing

BLOCK = 1 << 18  # bytes read at once
PIN = ".sha256"
"""What the name of a pin adds to that of its file."""
ELSEWHERE = "name another folder with `-S data.path=FOLDER`"


class DownloadError(InputError):
    """A file that cannot be had, or is not the one it should be."""


@dataclass(frozen=True)
class Remote:
    """One file its owners publish.

    Attributes:
        url: http or https, a ValueError else.
        name: the file name it gets.
        size: in bytes; None: the server's word is taken.
        digest: "md5:<hex>" or "sha256:<hex>" as published; None: the owners publish none.
        licence: in words.
    """

    url: str
    name: str
    size: int | None
    digest: str | None
    licence: str

    def __post_init__(self) -> None:
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ValueError(f"expected an http or https address, got {self.url}")


def verify(path: Path, remote: Remote) -> None:
    """Check a file in place: its size always, its digests only if it changed since the last time.

    The first time its sha256 is pinned beside it; then a call only looks at sizes and times.

    Raises:
        DownloadError: The size, the published digest or the pin does not fit.
    """
    pin, now = beside(path, PIN), path.stat()
    # wget and `cp -p` set an old mtime; the ctime shows that they replaced the file
    changed = max(now.st_mtime_ns, now.st_ctime_ns)
    if remote.size in (None, now.st_size) and pin.exists() and changed <= pin.stat().st_mtime_ns:
        return
    remedy = f"delete {path} to download it again, or take it as it is with -S data.counts=any"
    sha256 = published(path, remote, remedy)
    compare_pin(path, sha256, pin)
    pin_digest(pin, path, sha256, remote)


def beside(path: Path, suffix: str) -> Path:
    """The file NAME + suffix in the folder of NAME."""
    return path.with_name(path.name + suffix)


def published(file: Path, remote: Remote, remedy: str) -> str:
    """The sha256 of a file that has the published size and digest."""
    size = file.stat().st_size
    if remote.size not in (None, size):
        raise DownloadError(
            f"{file} has {size:,} bytes, expected {remote.size:,} (truncated?); {remedy}"
        )
    algorithm, _, expected = (remote.digest or "sha256:").partition(":")
    digests = _digests(file, {"sha256", algorithm})
    if expected and digests[algorithm] != expected.lower():
        raise DownloadError(
            f"{file} has the {algorithm} {digests[algorithm]}, its owners publish {expected}; "
            f"{remedy}"
        )
    return digests["sha256"]


def _digests(file: Path, algorithms: set[str]) -> dict[str, str]:
    """Hex digests by their names, in one pass."""
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    with file.open("rb") as stream:
        while block := stream.read(BLOCK):
            for digest in hashes.values():
                digest.update(block)
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def compare_pin(file: Path, sha256: str, pin: Path) -> None:
    """Raise a DownloadError if another digest is pinned."""
    if not pin.exists():
        return
    pinned = pin.read_text(encoding="utf-8").partition(" ")[0]
    if pinned != sha256:
        raise DownloadError(
            f"{file} has the sha256 {sha256}, but {pin} holds {pinned}: it is another file than "
            f"before. Delete {file} to download it again, or, if it is the right one, delete {pin}"
        )


def pin_digest(pin: Path, path: Path, sha256: str, remote: Remote) -> None:
    """Pin the digest of a file that was verified, or note that it was verified again."""
    if pin.exists():
        with suppress(OSError):  # others' folder: it is hashed again each time
            os.utime(pin)
        return
    with replacing(pin) as part:
        part.write_text(f"{sha256}  {path.name}\n", encoding="utf-8")
    word = "no digest is published, so it"
    if remote.digest:
        word = f"its published {remote.digest.partition(':')[0]} fits, and the sha256"
    print(f"{path.name}: sha256 {sha256}; {word} is pinned in {pin} from now on", flush=True)
