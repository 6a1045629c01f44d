"""DVC's cache: files and lists of folders by their digests."""

from __future__ import annotations

import json
import os
import subprocess
from functools import cached_property, lru_cache
from pathlib import Path

from studio.errors import StudioError
from studio.process import environment
from studio.runs.shown import DIGEST

FOLDERS = 256
"""Folders whose lists are remembered."""
PLACES = ("files/md5", ".")
"""Where DVC 3 has its files, and where DVC 2 had them."""


class Cache:
    """The cache of a repository."""

    def __init__(self, repo: Path) -> None:
        self.repo = repo
        self.entries = lru_cache(FOLDERS)(self._entries)

    @cached_property
    def folder(self) -> Path:
        """Where it is, as DVC is configured; DVC takes half a second to say, once."""
        words = ["dvc", "cache", "dir"]
        done = subprocess.run(words, cwd=self.repo, env=environment(), capture_output=True)
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip()
            raise StudioError(f"`dvc cache dir` failed in {self.repo}: {said}")
        return Path(os.fsdecode(done.stdout).rstrip("\n"))

    def place(self, digest: str) -> Path | None:
        """The file of this digest; None if it is not there."""
        if not DIGEST.fullmatch(digest):
            return None
        files = [self.folder / place / digest[:2] / digest[2:] for place in PLACES]
        return next((file for file in files if file.is_file()), None)

    def read(self, digest: str, path: str) -> bytes:
        """The content that `path` had.

        Raises:
            StudioError: It is not there.
        """
        place = self.place(digest)
        if place is None:
            raise StudioError(f"{path} is not in cache; dvc fetch gets it where there is a remote")
        return place.read_bytes()

    def complete(self, digest: str, path: str) -> bool:
        """Whether it is there; of a folder all files."""
        if self.place(digest) is None:
            return False
        inside = self.entries(digest, path).values() if is_folder(digest) else ()
        return all(map(self.place, inside))

    def _entries(self, digest: str, path: str) -> dict[str, str]:
        """Digests of the files of a folder by their paths in it; none leads out of it."""
        try:
            listed = json.loads(self.read(digest, path))
            found = {str(entry["relpath"]): str(entry["md5"]) for entry in listed}
        except (ValueError, KeyError, TypeError):
            raise StudioError(f"what the cache has of {path} is no list of a folder") from None
        for inside in found:
            if inside.startswith("/") or ".." in inside.split("/"):
                raise StudioError(f"the list of {path} has {inside}, which leads out of the folder")
        return found


def is_folder(digest: str) -> bool:
    """Whether it is that of a folder's list."""
    return digest.endswith(".dir")
