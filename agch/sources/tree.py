"""The files of a data set where they lie, in folders or in archives; nothing is unpacked."""

from __future__ import annotations

import io
import lzma
import os
import re
import struct
import zlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PureWindowsPath
from typing import IO, NamedTuple
from zipfile import BadZipFile, ZipFile

from agch.sources.base import SourceError

LARGEST = 1 << 28
"""Bytes of one file that is read whole: no picture and no list of a data set has as many."""
LISTED = 5
"""Files that a message names; of others it gives the number."""
DAMAGE = (BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, RuntimeError, OSError)
"""What reading ends in: a bad sum, a bad stream, a cut, a password, a foreign method, no disk."""


class _Place(NamedTuple):
    """Where a file lies: in which archive or folder, and how it is opened."""

    container: Path
    open: Callable[[], IO[bytes]]


class Tree:
    """Files by name; those of an archive as if it were unpacked where it lies.

    Links are followed; hidden files and folders are not there. A file that is there twice is an
    error once it is read.

    Args:
        path: a zip archive; or a folder: its files, and those of the archives directly in it.
        remedy: what to do about a bad file, the end of every message.

    Raises:
        SourceError: nothing there, an archive that cannot be read or was cut off, an entry whose
            name leads out of the archive.
    """

    def __init__(self, path: Path, remedy: str) -> None:
        self.path, self.remedy = path, remedy
        self._places: dict[str, list[_Place]] = {}
        self._namesakes: dict[str, list[str]] = {}  # full names by the last part of each
        if path.is_dir():
            self._add_folder(path)
        elif path.is_file():
            self._add_archive(path)
        else:
            raise self.fault("no such file or folder")

    def __contains__(self, name: object) -> bool:
        return name in self._places

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def called(self, name: str) -> list[str]:
        """The full names of all files called `name`, such as `c.txt` or `b/c.txt` for a/b/c.txt."""
        namesakes = self._namesakes.get(name.rpartition("/")[2], [])
        return [each for each in namesakes if f"/{each}".endswith(f"/{name}")]

    def find(self, name: str) -> str:
        """The full name of the one file that is called `name`, see `called`.

        Raises:
            SourceError: there is no such file, or there are several.
        """
        found = self.called(name)
        if len(found) != 1:
            told = f"{len(found)} files are" if found else "no file is"
            raise self.fault(f"{told} called {name}, expected one", found)
        return found[0]

    def require(self, names: Collection[str]) -> None:
        """Check that all these files are there; else a SourceError says how many are not."""
        if missing := [name for name in names if name not in self]:
            raise self.fault(f"{len(missing):,} of {len(names):,} files are missing", missing)

    def read(self, name: str) -> bytes:
        """A whole file.

        Raises:
            SourceError: it is damaged, not there, or larger than `LARGEST`.
        """
        with self._opened(name) as file:
            data = file.read(LARGEST + 1)
        if len(data) > LARGEST:
            raise self.fault(f"{name} has more than {LARGEST:,} bytes")
        return data

    def lines(self, name: str) -> Iterator[str]:
        """The lines of a UTF-8 text of any length, without white space at their ends.

        Raises:
            SourceError: it is damaged, not there or no UTF-8.
        """
        with self._opened(name) as file:
            try:
                for line in io.TextIOWrapper(file, encoding="utf-8-sig"):
                    yield line.strip()
            except UnicodeDecodeError as error:
                raise self.fault(f"{name} is not UTF-8 ({error})") from None

    def entries(self, name: str) -> Iterator[tuple[str, str]]:
        """The lines that are not empty, each after its place for messages; else as `lines`."""
        for number, line in enumerate(self.lines(name), start=1):
            if line:
                yield f"{name} line {number}", line

    def names(self, name: str, part: Callable[[str], str] = str) -> list[str]:
        """What a list names, one a line, in its order.

        Args:
            part: takes the name out of a line that holds more.

        Raises:
            SourceError: the list is empty, or names something twice; else as `lines`.
        """
        found: dict[str, str] = {}
        for place, line in self.entries(name):
            first = found.setdefault(part(line), place)
            if first != place:
                raise self.fault(f"{place}: '{part(line)}' is already in {first}")
        if not found:
            raise self.fault(f"{name} is empty, expected a name in each line")
        return list(found)

    def ordinal(self, place: str, text: str, last: int) -> int:
        """The number from 1 to `last` that `text` is; anything else is a SourceError."""
        if not re.fullmatch("[0-9]{1,9}", text) or not 1 <= int(text) <= last:
            raise self.fault(f"{place}: found '{text[:40]}', expected a number from 1 to {last:,}")
        return int(text)

    def fault(self, told: str, names: Sequence[str] = ()) -> SourceError:
        """The error to raise about what was found here, with the first of `names`."""
        listed = "".join(f"\n  {name}" for name in names[:LISTED])
        return SourceError(f"{self.path}: {told}; {self.remedy}{listed}")

    @contextmanager
    def _opened(self, name: str) -> Iterator[IO[bytes]]:
        places = self._places.get(name, [])
        if not places:
            raise self.fault(f"has no file {name}")
        if len(places) > 1:
            told = " and in ".join(str(place.container) for place in places)
            raise SourceError(f"{name} lies in {told}; keep one and move the others away")
        try:
            with places[0].open() as file:
                yield file
        except DAMAGE as error:
            told = f"{name} is damaged or cannot be read ({error})"
            raise SourceError(f"{places[0].container}: {told}; {self.remedy}") from error

    def _add_folder(self, folder: Path) -> None:
        for here, folders, names in os.walk(folder, onerror=self._stop, followlinks=True):
            folders[:] = sorted(each for each in folders if not each.startswith("."))
            for file in (Path(here, name) for name in sorted(names) if not name.startswith(".")):
                if file.parent == folder and file.suffix == ".zip":
                    self._add_archive(file)
                else:
                    name = file.relative_to(folder).as_posix()
                    self._add(name, _Place(folder, partial(_open, file)))

    def _add_archive(self, path: Path) -> None:
        try:
            archive = ZipFile(path)
        except (*DAMAGE, ValueError) as error:
            told = f"not a zip archive, or cut off ({error})"
            raise SourceError(f"{path}: {told}; {self.remedy}") from error
        for entry in archive.infolist():
            pure = PureWindowsPath(entry.filename)  # knows both separators, and drives
            if pure.anchor or ".." in pure.parts:
                told = f"entry '{entry.filename}' leads out of the archive; do not unpack it"
                raise SourceError(f"{path}: {told}, {self.remedy}")
            hidden = any(part.startswith(".") for part in pure.parts)
            if not hidden and not entry.filename.endswith(("/", "\\")):
                self._add(pure.as_posix(), _Place(path, partial(archive.open, entry)))

    def _add(self, name: str, place: _Place) -> None:
        if name not in self._places:
            self._namesakes.setdefault(name.rpartition("/")[2], []).append(name)
        self._places.setdefault(name, []).append(place)

    def _stop(self, error: OSError) -> None:
        raise SourceError(f"{error.filename}: {error.strerror}; make it readable") from error


def _open(file: Path) -> IO[bytes]:
    return file.open("rb")
