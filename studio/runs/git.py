"""What is asked of git; nothing here changes a repository."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from studio.errors import StudioError


def git(repo: Path, *words: str, given: bytes = b"") -> bytes:
    """What a git command prints.

    Raises:
        StudioError: It failed.
    """
    try:
        done = subprocess.run(["git", *words], cwd=repo, input=given, capture_output=True)
    except OSError as error:
        raise StudioError(f"cannot run git in {repo}: {error}") from None
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip()
        raise StudioError(f"git {words[0]} failed in {repo}: {said}")
    return done.stdout


def head(repo: Path) -> str | None:
    """The commit that is checked out; None before the first one."""
    named = git(repo, "rev-parse", "--revs-only", "HEAD").decode().strip()
    return named or None


def branches(repo: Path) -> dict[str, list[str]]:
    """Names of branches by their last commits; the one that is checked out comes first."""
    form = "--format=%(HEAD) %(objectname) %(refname:lstrip=2)"
    lines = git(repo, "for-each-ref", form, "refs/heads").decode().splitlines()
    found: dict[str, list[str]] = {}
    for line in sorted(lines, key=lambda line: line[0] != "*"):
        commit, name = line[2:].split(" ", 1)
        found.setdefault(commit, []).append(name)
    return found


def objects(repo: Path, names: Sequence[str]) -> list[bytes | None]:
    """Contents of objects, None where there is none.

    Args:
        names: As git reads them, such as `COMMIT:./dvc.yaml`, none with a newline.
    """
    answer = git(repo, "cat-file", "--batch", given="\n".join([*names, ""]).encode())
    found: list[bytes | None] = []
    place = 0
    for _ in names:
        end = answer.index(b"\n", place)
        said, place = answer[place:end], end + 1
        if said.endswith(b" missing"):
            found.append(None)
            continue
        size = int(said.rsplit(b" ", 1)[1])
        found.append(answer[place : place + size])
        place += size + 1
    return found


def committed(repo: Path, commit: str) -> dict[str, str]:
    """The objects of a commit's files by path, of the folder `repo` and below; no links."""
    files: dict[str, str] = {}
    for entry in git(repo, "ls-tree", "-r", "-z", commit).split(b"\0")[:-1]:
        about, path = entry.split(b"\t", 1)
        mode, kind, name = about.decode().split()
        if kind == "blob" and mode != "120000":
            files[os.fsdecode(path)] = name
    return files


def known(repo: Path) -> list[str]:
    """The paths that git tracks in the working tree, of the folder `repo` and below."""
    return [os.fsdecode(path) for path in git(repo, "ls-files", "-z").split(b"\0")[:-1]]
