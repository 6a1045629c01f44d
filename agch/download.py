"""Large archives from their owners' servers: continued after a break, then verified.

Beside the file NAME lie NAME.part and NAME.part.json while it is incomplete: its bytes so far, and
the version they are of.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from email.message import Message
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tqdm import tqdm

from agch.files import write_json
from agch.published_files import (
    BLOCK,
    ELSEWHERE,
    PIN,
    DownloadError,
    Remote,
    beside,
    compare_pin,
    pin_digest,
    published,
    verify,
)

TIMEOUT = 60.0  # seconds without a byte
RETRIES = 3  # after connections that broke off


def obtain(remote: Remote, folder: Path) -> Path:
    """The verified file at folder/remote.name, downloaded if it is not there.

    Raises:
        DownloadError: It cannot be had or written, or is not the file that was published or pinned.
    """
    path = folder / remote.name
    try:
        if path.exists():
            verify(path, remote)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            _download(remote, path)
            _settle(remote, path)
    except OSError as error:  # of the file system: those of the network have been translated
        raise DownloadError(
            f"cannot read or write {path} or what is noted beside it ({error}); mend that, or "
            f"{ELSEWHERE} (links to the files will do)"
        ) from None
    return path


def _settle(remote: Remote, path: Path) -> None:
    """Verify a complete .part and give it its name; one that was not published is deleted."""
    part, pin = beside(path, ".part"), beside(path, PIN)
    try:
        sha256 = published(part, remote, "it was deleted, the same command downloads it anew")
    except DownloadError:
        _discard(path)
        raise
    compare_pin(part, sha256, pin)
    os.replace(part, path)
    _discard(path)
    pin_digest(pin, path, sha256, remote)


def _discard(path: Path) -> None:
    for suffix in (".part", ".part.json"):
        beside(path, suffix).unlink(missing_ok=True)


def _download(remote: Remote, path: Path) -> None:
    """Complete the .part from where an earlier run or a broken connection left it."""
    reached = 0
    for attempt in range(1 + RETRIES):
        response = _ask(remote, path)
        if response is None:
            return
        with response:
            kept, whole = _extent(response, remote, path)
            if attempt == 0:
                _announce(remote, path, kept, whole)
            if kept == 0:
                _begin(path, response.headers)
            try:
                _save(response, path, kept, whole)
                return
            except ConnectionError as error:
                fault = error
        if _kept(path) <= max(reached, kept):
            break
        reached = _kept(path)
    raise DownloadError(
        f"the connection to {remote.url} broke off ({fault}); {_remedy(path, whole)}"
    )


def _kept(path: Path) -> int:
    """Bytes of an unfinished download that can be continued: those of a known version."""
    part = beside(path, ".part")
    return part.stat().st_size if part.exists() and beside(path, ".part.json").exists() else 0


def _ask(remote: Remote, path: Path) -> HTTPResponse | None:
    """Ask for what is missing of the version begun, or all of another; None: nothing is missing."""
    request, kept = Request(remote.url), _kept(path)
    if kept:
        note = json.loads(beside(path, ".part.json").read_text(encoding="utf-8"))
        request.add_header("Range", f"bytes={kept}-")
        request.add_header("If-Range", note["version"])
    try:
        response: HTTPResponse = urlopen(request, timeout=TIMEOUT)
        return response
    except HTTPError as error:
        error.close()
        if kept and error.code == 416:
            if error.headers.get("Content-Range", f"bytes */{kept}") == f"bytes */{kept}":
                return None
            _discard(path)  # longer than the file, so these are not its bytes
            return _ask(remote, path)
        reason = str(error)
    except (OSError, HTTPException) as error:
        reason = str(getattr(error, "reason", error)) or type(error).__name__
    raise DownloadError(f"cannot download {remote.url} ({reason}); {_remedy(path, remote.size)}")


def _extent(response: HTTPResponse, remote: Remote, path: Path) -> tuple[int, int | None]:
    """Where in the file an answer starts, and how long the file is (None: nobody says)."""
    total, kept = response.headers.get("Content-Length", ""), 0
    if response.status == 206:
        span, _, total = response.headers.get("Content-Range", "").rpartition("/")
        kept = _kept(path)
        if not span.startswith(f"bytes {kept}-"):
            raise DownloadError(
                f"{remote.url} sends '{span}' instead of the bytes from {kept} on; delete "
                f"{beside(path, '.part')} to start anew"
            )
    whole = int(total) if total.isdecimal() else None
    if whole is not None and remote.size not in (None, whole):
        raise DownloadError(
            f"{remote.url} has {whole:,} bytes, expected {remote.size:,}: its owners have changed "
            f"it, or another page came in its place; {_remedy(path, remote.size)}"
        )
    return kept, remote.size if whole is None else whole


def _announce(remote: Remote, path: Path, kept: int, whole: int | None) -> None:
    """Say what is about to be downloaded, if there is room for it."""
    part = beside(path, ".part")
    there = part.stat().st_size if part.exists() else 0  # continued or overwritten
    free = shutil.disk_usage(path.parent).free
    if whole is not None and whole - there > free:
        raise DownloadError(
            f"{path.name} needs {_human(whole - there)}, but {path.parent} has {_human(free)} "
            f"free; make room, or {ELSEWHERE}"
        )
    size = "size unknown" if whole is None else _human(whole)
    rest = f", {_human(kept)} of it here already" if kept else ""
    print(
        f"downloading {remote.url} ({size}{rest}; licence: {remote.licence}) to {path}", flush=True
    )


def _human(size: int) -> str:
    for factor, unit in ((1e9, "GB"), (1e6, "MB")):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size / 1e3:.1f} kB"


def _begin(path: Path, headers: Message) -> None:
    """Start an empty .part and note which version of the file its bytes will be of."""
    beside(path, ".part").write_bytes(b"")  # first: old bytes must not pass for the new version's
    note, version = beside(path, ".part.json"), headers.get("ETag", "W/")
    if version.startswith("W/"):  # a weak one does not promise equal bytes
        version = headers.get("Last-Modified", "")
    if version:
        write_json(note, {"version": version})
    else:
        note.unlink(missing_ok=True)


def _save(response: HTTPResponse, path: Path, kept: int, whole: int | None) -> None:
    """Append the answer's body to the .part.

    Raises:
        ConnectionError: It ended before the file did, for whatever reason.
    """
    bar = tqdm(None, path.name, whole, initial=kept, unit="B", unit_scale=True, disable=None)
    with bar, beside(path, ".part").open("ab") as file:
        for block in _blocks(response):
            file.write(block)
            bar.update(len(block))
        if whole is not None and file.tell() != whole:
            raise ConnectionError(f"closed at byte {file.tell():,}")


def _blocks(response: HTTPResponse) -> Iterator[bytes]:
    try:
        while block := response.read(BLOCK):
            yield block
    except (OSError, HTTPException) as error:  # the network's, never those of writing the blocks
        raise ConnectionError(str(error) or type(error).__name__) from None


def _remedy(path: Path, whole: int | None) -> str:
    """What to do about a file that is not complete."""
    by_hand = f"fetch it by other means and put it at {path}, or, if you have it, {ELSEWHERE}"
    if not (kept := _kept(path)):
        return by_hand
    part, size = beside(path, ".part"), "an unknown number of" if whole is None else f"{whole:,}"
    return (
        f"{kept:,} of {size} bytes are kept in {part} and the same command continues from there; "
        f"or {by_hand}"
    )
