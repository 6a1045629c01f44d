"""Models of the runs in DVC's cache, and how to free what only experiments have."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from studio.errors import NotFound, StudioError
from studio.runs import git
from studio.runs.cache import PLACES, Cache, is_folder
from studio.runs.locks import mapping, read_yaml
from studio.runs.model import WORKSPACE, Run
from studio.runs.store import RunStore
from studio.runs.trees import WorkingTree

MODELS = "models/"
UNSAVED = ("running", "queued")
LOCKS = (":/*dvc.lock", ":/*.dvc")
"""Where git's commits name what DVC keeps."""
DIGESTS = re.compile(r"\b[0-9a-f]{32}\b")


@dataclass(frozen=True)
class Checkpoint:
    """A model as runs have it.

    Attributes:
        id: Its digest.
        paths: Where runs have it, from the top of the repository.
        size: Bytes.
        cached: Whether it is in the cache; else it is missing.
        runs: All that have it.
        kept_by: Names of those runs for whose sake it is not deleted.
    """

    id: str
    paths: tuple[str, ...]
    size: int | None
    cached: bool
    runs: tuple[Run, ...]
    kept_by: tuple[str, ...]


class Checkpoints:
    """The models of a repository: outputs under `models/`, and artifacts of the type `model`."""

    def __init__(self, store: RunStore, cache: Cache) -> None:
        self.repo, self.store, self.cache = store.repo, store, cache

    def listed(self) -> list[Checkpoint]:
        """All of them, in the order of the runs.

        Raises:
            StudioError: There is no list of runs.
        """
        return self._of(self.store.runs())

    def delete(self, checkpoint_id: str) -> int:
        """Remove one from the cache.

        Returns:
            The number of bytes that are free now.

        Raises:
            StudioError: It is not listed, or missing already; a branch, a commit behind one, the
                working tree or a folder in the cache has it; an experiment runs or is queued,
                which may need it; the cache lies outside of the repository, or has a list of a
                folder that cannot be read.
        """
        runs = self.store.fresh()
        found = {each.id: each for each in self._of(runs)}
        if checkpoint_id not in found:
            raise NotFound(f"no checkpoint '{checkpoint_id}' is listed; {len(found)} are")
        checkpoint = found[checkpoint_id]
        if not self.cache.folder.resolve().is_relative_to(self.repo.resolve()):
            raise StudioError(f"others may use the cache {self.cache.folder}; see dvc gc")
        if waiting := [run.name for run in runs if run.state in UNSAVED]:
            raise StudioError(f"{', '.join(waiting)} may need it; delete once they are done")
        if kept := [*checkpoint.kept_by, *self._history(checkpoint.id)]:
            raise StudioError(f"{checkpoint.paths[0]} is kept for {', '.join(kept)}")
        place = self.cache.place(checkpoint.id)
        if place is None:
            raise StudioError(f"{checkpoint.paths[0]} is not in cache; nothing to delete")
        needed = {
            "the working tree": {*WorkingTree(self.repo, self.cache).outs.values()},
            "a folder that has it, too": self._inside_others(checkpoint.id),
        }
        if kept := [what for what, digests in needed.items() if checkpoint.id in digests]:
            raise StudioError(f"{checkpoint.paths[0]} is kept for {', '.join(kept)}")
        others = set.union(*needed.values(), _digests(runs))
        places = [*self._inside(checkpoint, others), place]
        size = sum(each.stat().st_size for each in places)
        for each in places:
            each.unlink(missing_ok=True)
        return size

    def _of(self, runs: Sequence[Run]) -> list[Checkpoint]:
        having: dict[str, list[tuple[Run, str, int | None]]] = {}
        for run, models in zip(runs, self._models(runs)):
            for out in run.outs:
                if out.digest and (out.path in models or out.path.startswith(MODELS)):
                    having.setdefault(out.digest, []).append((run, out.path, out.size))
        return [
            Checkpoint(
                id=digest,
                paths=tuple(dict.fromkeys(path for _, path, _ in users)),
                size=users[0][2],
                cached=self.cache.place(digest) is not None,
                runs=tuple({run.id: run for run, _, _ in users}.values()),
                kept_by=tuple(run.name for run in runs if _keeps(run, digest)),
            )
            for digest, users in having.items()
        ]

    def _models(self, runs: Sequence[Run]) -> Iterator[set[str]]:
        """Paths of the artifacts that are models, as each run's `dvc.yaml` says."""
        saved = [run for run in runs if run.id != WORKSPACE]
        texts = git.objects(self.repo, [f"{run.id}:./dvc.yaml" for run in saved])
        by_run = {run.id: text or b"" for run, text in zip(saved, texts)}
        own = self.repo / "dvc.yaml"
        by_run[WORKSPACE] = own.read_bytes() if own.is_file() else b""
        found = {text: _artifacts(text) for text in {*by_run.values()}}
        for run in runs:
            yield found[by_run[run.id]]

    def _history(self, digest: str) -> list[str]:
        """A commit that git keeps without the experiments and that has the digest, if there is."""
        words = ("log", "--exclude=refs/exps/*", "--all", "-1", "--format=%h", f"-S{digest}")
        found = git.git(self.repo, *words, "--", *LOCKS).decode().split()
        return [f"commit {commit}" for commit in found]

    def _inside_others(self, digest: str) -> set[str]:
        """What is in the folders of the cache, but for the one of this digest."""
        found = [path for place in PLACES for path in self.cache.folder.glob(f"{place}/??/*.dir")]
        others = {each.parent.name + each.name for each in found} - {digest}
        return {inner for each in others for inner in self.cache.entries(each, each).values()}

    def _inside(self, checkpoint: Checkpoint, others: set[str]) -> list[Path]:
        """The files of a folder that nothing else has."""
        if not is_folder(checkpoint.id):
            return []
        own = {*self.cache.entries(checkpoint.id, checkpoint.paths[0]).values()}
        own -= others | self._ever()
        places = [self.cache.place(str(digest)) for digest in sorted(own)]
        return [found for found in places if found]

    def _ever(self) -> set[str]:
        """The digests in all lock files that git keeps without the experiments."""
        words = ("log", "--exclude=refs/exps/*", "--all", "-m", "-p", "--format=")
        return {
            *DIGESTS.findall(git.git(self.repo, *words, "--", *LOCKS).decode("utf-8", "replace"))
        }


def _digests(runs: Sequence[Run]) -> set[str]:
    return {out.digest for run in runs for out in run.outs if out.digest}


def _keeps(run: Run, digest: str) -> bool:
    """Whether a run that is no experiment has it, as a model or not."""
    return run.kind != "experiment" and any(out.digest == digest for out in run.outs)


def _artifacts(text: bytes) -> set[str]:
    """The paths of models in a `dvc.yaml`; none in one that cannot be read."""
    try:
        declared = mapping(mapping(read_yaml(text, "dvc.yaml")).get("artifacts"))
    except StudioError:
        return set()
    about = map(mapping, declared.values())
    return {
        posixpath.normpath(str(each.get("path"))) for each in about if each.get("type") == "model"
    }
