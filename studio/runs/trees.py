"""The files of a commit, and of the working tree."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from studio.errors import StudioError
from studio.runs import git
from studio.runs.cache import Cache, is_folder
from studio.runs.locks import is_lock, kept, read_yaml


class Tree(Protocol):
    """The files of one run at one time.

    Attributes:
        pipelines: What is in each `dvc.yaml`, by its folder.
        outs: Digests of all outputs by path; `.dir` behind that of a folder.
    """

    pipelines: dict[str, Any]
    outs: dict[str, str]

    def read(self, path: str) -> bytes:
        """What is in a file.

        Raises:
            StudioError: It is not listed, or not there.
        """

    def under(self, folder: str) -> list[str]:
        """The paths of all files in a folder and below; of the whole repository if it is empty."""


class Commit:
    """The files of a commit: from git's objects and DVC's cache."""

    def __init__(self, repo: Path, cache: Cache, commit: str) -> None:
        self.repo, self.cache, self.commit = repo, cache, commit
        self.objects = git.committed(repo, commit)
        told = [*filter(_tells, self.objects)]
        self.pipelines, self.outs = _read(dict(zip(told, self._texts(told))))

    def read(self, path: str) -> bytes:
        """From git, or from the cache, alone or as one of a folder."""
        if path in self.objects:
            return self._texts([path])[0]
        if path in self.outs and not is_folder(self.outs[path]):
            return self.cache.read(self.outs[path], path)
        for folder, digest in _folders(self.outs):
            inside = path.removeprefix(f"{folder}/")
            if inside != path and inside in (entries := self.cache.entries(digest, folder)):
                return self.cache.read(entries[inside], path)
        raise StudioError(f"commit {self.commit[:7]} has no file '{path}'")

    def under(self, folder: str) -> list[str]:
        """Those that are listed; of a folder of DVC's that is not in the cache, none."""
        every = {*self.objects, *_single(self.outs)}
        for path, digest in _folders(self.outs):
            if meet(path, folder) and self.cache.place(digest):
                every |= {f"{path}/{inside}" for inside in self.cache.entries(digest, path)}
        return _under(every, folder)

    def _texts(self, paths: list[str]) -> list[bytes]:
        found = git.objects(self.repo, [self.objects[path] for path in paths])
        return [text or b"" for text in found]


class WorkingTree:
    """The files on disk that git tracks or DVC has locked."""

    def __init__(self, repo: Path, cache: Cache) -> None:
        self.repo, self.cache = repo, cache
        self.tracked = git.known(repo)
        told = {*filter(_tells, self.tracked), "dvc.lock", "dvc.yaml"}
        there = [path for path in sorted(told) if (repo / path).is_file()]
        self.pipelines, self.outs = _read({path: (repo / path).read_bytes() for path in there})

    def read(self, path: str) -> bytes:
        """From disk; DVC's files may be links into its cache."""
        if path not in self._listed(path):
            raise StudioError(f"the working tree has no file '{path}' that git or DVC tracks")
        place, own = (self.repo / path).resolve(), self.repo.resolve() / path
        if place != own and not place.is_relative_to(self.cache.folder.resolve()):
            raise StudioError(f"{path} is a link that leads elsewhere; only files are read")
        try:
            return place.read_bytes()
        except OSError as error:
            raise StudioError(f"cannot read {path}: {error.strerror}; dvc checkout") from None

    def under(self, folder: str) -> list[str]:
        """Those that are there."""
        every = [path for path in self._listed(folder) if (self.repo / path).is_file()]
        return _under(every, folder)

    def _listed(self, near: str) -> set[str]:
        """All paths; those within DVC's folders only where one holds or lies in what is asked."""
        every = {*self.tracked, *_single(self.outs)}
        for folder, _ in _folders(self.outs):
            if meet(folder, near):
                for top, _, names in os.walk(self.repo / folder):
                    inside = Path(top).relative_to(self.repo).as_posix()
                    every |= {f"{inside}/{name}" for name in names}
        return every


def meet(one: str, other: str) -> bool:
    """Whether two paths are the same, or one lies in the other; all lie in the empty one."""
    if not one or not other:
        return True
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")


def _tells(path: str) -> bool:
    """Whether a file says what DVC keeps and makes."""
    return is_lock(path) or posixpath.basename(path) == "dvc.yaml"


def _read(texts: dict[str, bytes]) -> tuple[dict[str, Any], dict[str, str]]:
    """The pipelines by folder, and what is kept, of all files that say so."""
    locks = {path: text for path, text in texts.items() if is_lock(path)}
    pipelines = {
        posixpath.dirname(path): read_yaml(text, path)
        for path, text in texts.items()
        if path not in locks
    }
    return pipelines, kept(locks, pipelines)


def _single(outs: dict[str, str]) -> list[str]:
    return [path for path, digest in outs.items() if not is_folder(digest)]


def _folders(outs: dict[str, str]) -> list[tuple[str, str]]:
    return [(path, digest) for path, digest in outs.items() if is_folder(digest)]


def _under(paths: Iterable[str], folder: str) -> list[str]:
    return sorted(path for path in paths if not folder or path.startswith(f"{folder}/"))
