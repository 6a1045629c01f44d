"""What lies in a folder of pictures, and what may be wrong with a picture that is looked for."""

from __future__ import annotations

import difflib
import os
import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from agch.sources.base import SourceError

DRIVE = re.compile("[A-Za-z]:")
NOT_UTF8 = re.compile("[\udc80-\udcff]")
"""How Python holds the bytes of a file's name that are not UTF-8."""

Files = Mapping[str, "os.DirEntry[str]"]
"""Entries by their path in the folder, with forward slashes."""


def files_in(folder: Path) -> Files:
    """All files of a folder and its subfolders but the hidden ones; links are followed.

    Raises:
        SourceError: a folder cannot be read, or a link leads to a folder above it.
    """
    return dict(_walk(folder, ""))


def _walk(folder: Path, prefix: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    if entry.is_symlink():
                        _check_link(Path(entry.path))
                    yield from _walk(Path(entry.path), f"{prefix}{entry.name}/")
                elif entry.is_file():
                    yield prefix + entry.name, entry
    except OSError as error:
        remedy = "correct its permissions, or move it out of the folder"
        raise SourceError(
            f"{error.filename}: cannot be read ({error.strerror}); {remedy}"
        ) from None


def _check_link(path: Path) -> None:
    if path.parent.resolve().is_relative_to(path.resolve()):
        raise SourceError(f"{path}: a link to a folder it lies in, without end; remove it")


def picture_fault(file: str, files: Files, suggest: bool = False) -> str:
    """What is wrong with a picture; empty if nothing is.

    Args:
        file: as the table has it.
        suggest: whether to look for a similar name if there is no such file, which takes its time.
    """
    entry = files.get(file)
    if entry is None:
        return _absence(file, files if suggest else ())
    if NOT_UTF8.search(file):
        return f"the name of {file!r} is not UTF-8; rename the file"
    if entry.stat().st_size == 0:
        return f"{file!r} is empty (0 bytes), expected a picture; restore or remove it"
    return ""


def _absence(file: str, files: Collection[str]) -> str:
    """Why there is no such file, and which of the others is probably meant."""
    parts = re.split(r"[/\\]", file)
    if ".." in parts or not parts[0] or DRIVE.fullmatch(parts[0]):
        return f"{file!r} leads out of the folder; give its path from the folder on"
    if any(part.startswith(".") for part in parts if part != "."):
        return f"{file!r} is hidden, or in a hidden folder; rename what begins with a point"
    near = _nearest(file, files)
    if near is None:
        return f"there is no file {file!r}; add it, or correct or remove the row"
    if NOT_UTF8.search(near):
        return f"there is no file {file!r}, but {near!r}, whose name is not UTF-8; rename the file"
    if unicodedata.normalize("NFC", near) == unicodedata.normalize("NFC", file):
        return f"there is no file {file!a}, but {near!a}, which looks the same; copy its name"
    return f"there is no file {file!r}; did you mean {near!r}?"


def _nearest(file: str, files: Collection[str]) -> str | None:
    """The file that was probably meant, if any.

    The only one that has this name but for folder, case and suffix; or a similar one in which the
    numbers are the same.
    """
    same = [name for name in files if _stem(name) == _stem(file)]
    if len(same) == 1:
        return same[0]
    digits = re.sub(r"\D", "", file)
    alike = sorted(name for name in files if re.sub(r"\D", "", name) == digits)
    return next(iter(difflib.get_close_matches(file, alike, n=1, cutoff=0.8)), None)


def _stem(file: str) -> str:
    name = re.split(r"[/\\]", file)[-1]
    return unicodedata.normalize("NFC", os.path.splitext(name)[0].casefold())
