"""What DVC keeps of a commit, from its files `dvc.lock` and `*.dvc`."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from studio.errors import StudioError
from studio.runs.shown import DIGEST

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def is_lock(path: str) -> bool:
    """Whether a file tells what DVC keeps."""
    return posixpath.basename(path) == "dvc.lock" or path.endswith(".dvc")


def read_yaml(text: bytes, path: str) -> Any:
    """What is in a YAML file.

    Raises:
        StudioError: It is none; the message names `path`.
    """
    try:
        return yaml.load(text, LOADER)
    except (yaml.YAMLError, ValueError) as error:
        raise StudioError(f"cannot read {path}: {error}") from None


def kept(locks: Mapping[str, bytes], pipelines: Mapping[str, Any]) -> dict[str, str]:
    """Digests of outputs by path, `.dir` behind that of a folder; none outside of the repository.

    Args:
        locks: Texts of the files that `is_lock` names, by path.
        pipelines: What is in each `dvc.yaml`, by its folder.

    Raises:
        StudioError: One cannot be read.
    """
    found: dict[str, str] = {}
    for path, text in locks.items():
        folder = posixpath.dirname(path)
        stages = mapping(mapping(pipelines.get(folder)).get("stages"))
        for where, out in _outs(mapping(read_yaml(text, path)), stages):
            place = posixpath.normpath(posixpath.join(folder, where, str(out.get("path"))))
            digest = str(out.get("md5"))
            if DIGEST.fullmatch(digest) and place.split("/")[0] not in ("", ".", ".."):
                found[place] = digest
    return found


def mapping(found: Any) -> dict[Any, Any]:
    """What was read if it is a mapping, else an empty one."""
    return found if isinstance(found, dict) else {}


def entries(found: Any) -> list[dict[Any, Any]]:
    """The mappings in what was read if it is a list."""
    return [each for each in found if isinstance(each, dict)] if isinstance(found, list) else []


def _outs(
    lock: Mapping[Any, Any], stages: Mapping[Any, Any]
) -> Iterator[tuple[str, dict[Any, Any]]]:
    """Each output, and the folder from which its path counts."""
    for name, locked in mapping(lock.get("stages")).items():
        written = mapping(stages.get(str(name).partition("@")[0]))
        where = mapping(written.get("do", written)).get("wdir")
        for out in entries(mapping(locked).get("outs")):
            yield str(where or ""), out
    for out in entries(lock.get("outs")):
        yield str(lock.get("wdir") or ""), out
