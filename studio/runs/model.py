"""A run: what DVC knows of the working tree, of a commit, or of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Kind = Literal["workspace", "branch", "commit", "experiment"]
OutKind = Literal["output", "source", "git"]
State = Literal["saved", "running", "queued", "failed"]
WORKSPACE = "workspace"


@dataclass(frozen=True)
class Out:
    """What a stage wrote, or data that DVC keeps.

    Attributes:
        path: From the top of the repository.
        digest: MD5 of the file; with `.dir` behind it, of a folder's list. None before it is made.
        size: Bytes.
        kind: `output` of a stage, `source` where no stage made it; `git` where git keeps it.
    """

    path: str
    digest: str | None
    size: int | None
    kind: OutKind


@dataclass(frozen=True)
class Run:
    """One line of the list of runs.

    Attributes:
        id: The commit's full digest, or `workspace`.
        name: Of the branch or the experiment; `a, b` where a commit has several.
        kind: `commit` is one that experiments started from and that is no branch's last.
        baseline: The commit it started from; None for branches and commits.
        created: ISO 8601 with the offset of local time; None for what is not committed.
        error: Why something of it could not be read, or why it failed.
        params: `train.alpha` of `params.yaml`, `FILE:train.alpha` of other files.
        metrics: `FILE:validation.score`; numbers only, NaN too.
        outs: Without metrics and plots. None of a run that is not saved, for they are not its own.
    """

    id: str
    name: str
    kind: Kind
    baseline: str | None = None
    created: str | None = None
    state: State = "saved"
    error: str | None = None
    params: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    outs: list[Out] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """All names it goes by; git allows no space in one."""
        return self.name.split(", ")


def to_json(run: Run) -> dict[str, Any]:
    """A run as `from_json` reads it."""
    return asdict(run)


def from_json(found: Mapping[str, Any]) -> Run:
    """The run that was written.

    Raises:
        TypeError, KeyError: It is of another version.
    """
    return Run(**{**found, "outs": [Out(**out) for out in found["outs"]]})
