"""What is committed, in a folder of its own, for runs that are not to touch this one."""

from __future__ import annotations

import subprocess
from pathlib import Path

from agch.errors import InputError

INPUTS = (Path("data/features.h5"), Path("data/split.h5"))
"""What the stage `train` reads."""


def clone(revision: str, to: Path) -> str:
    """Clone this repository at `revision` to a new folder and give it this folder's data.

    Returns:
        The commit in short.

    Raises:
        InputError: There is no such commit.
    """
    try:
        commit = git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}")
    except InputError:
        raise InputError(
            f"git knows no commit '{revision}'; give a branch, tag or commit of this repository"
        ) from None
    git("clone", "--quiet", "--no-checkout", ".", str(to))
    git("-C", str(to), "checkout", "--quiet", "--detach", commit)
    for path in INPUTS:
        (to / path).parent.mkdir(exist_ok=True)
        (to / path).symlink_to(path.resolve())
    return git("rev-parse", "--short", commit)


def git(*arguments: str) -> str:
    """What a git command prints; raises `InputError` with its words where it fails."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise InputError(f"`git {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout.strip()
