"""Runs from what `dvc exp show --json` prints."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from studio.params import PARAMS
from studio.runs.model import WORKSPACE, Kind, Out, OutKind, Run, State

STATES: Mapping[str, State] = {
    "success": "saved",
    "running": "running",
    "queued": "queued",
    "failed": "failed",
}
DIGEST = re.compile(r"[0-9a-f]{32}(\.dir)?")


def runs_of(
    rows: list[dict[str, Any]], branches: Mapping[str, list[str]], head: str | None
) -> list[Run]:
    """One run for each commit and for the working tree, in DVC's order.

    Args:
        rows: DVC's answer: baselines, each with the experiments that started from it.
        branches: Their names by commit.
        head: What the working tree started from.
    """
    found: dict[str, Run] = {}
    for row in rows:
        commit = str(row["rev"])
        kind: Kind = "branch" if commit in branches else "commit"
        if commit == WORKSPACE:
            _add(found, _run(row, commit, "workspace", head, "saved"))
        else:
            name = ", ".join(branches.get(commit, [commit[:7]]))
            _add(found, _run(row, name, kind, None, "saved"))
        for group in row["experiments"] or []:
            last = group["revs"][0]
            state = STATES[group["executor"]["state"]] if group["executor"] else "saved"
            named = group["name"] or last["name"] or last["rev"][:7]
            _add(found, _run(last, named, "experiment", commit, state))
    return list(found.values())


def watched(rows: list[dict[str, Any]]) -> set[str]:
    """The files of the working tree that its run was read from."""
    data = next((row["data"] for row in rows if row["rev"] == WORKSPACE), None) or {}
    return {PARAMS, *data.get("params", {}), *data.get("metrics", {})}


def flat(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Leaves of nested mappings by dotted names; a list is a leaf."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from flat(inner, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def _run(row: dict[str, Any], name: str, kind: Kind, baseline: str | None, state: State) -> Run:
    data = row["data"] or {}
    own = state == "saved"  # until then the files are those of the baseline
    return Run(
        id=str(row["rev"]),
        name=name,
        kind=kind,
        baseline=baseline,
        created=_local(data.get("timestamp")),
        state=state,
        error=_error(row, data if own else {}),
        params=dict(_params(data.get("params", {}))),
        metrics=dict(_numbers(data.get("metrics", {}))) if own else {},
        outs=list(_outs(data.get("outs", {}))) if own else [],
    )


def _add(found: dict[str, Run], run: Run) -> None:
    """Keep it; of an experiment that is a branch, too, or that runs in the working tree, the other.

    That one takes its name, its baseline and its state.
    """
    if run.id not in found:
        found[run.id] = run
        return
    pair = sorted([found[run.id], run], key=lambda each: each.kind == "experiment")
    found[run.id] = replace(
        pair[0],
        name=", ".join(dict.fromkeys([*pair[0].names, *pair[1].names])),
        baseline=pair[1].baseline,
        state=pair[1].state,
    )


def _params(files: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for file, found in files.items():
        for key, value in flat(found.get("data", {})):
            if key or value != {}:
                yield key if file == PARAMS and key else _named(file, key), value


def _numbers(files: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for file, found in files.items():
        for key, value in flat(found.get("data", {})):
            if isinstance(value, int | float) and not isinstance(value, bool):
                yield _named(file, key), value


def _named(file: str, key: str) -> str:
    """A file may be one value."""
    return f"{file}:{key}" if key else file


def _outs(outs: Mapping[str, Mapping[str, Any]]) -> Iterator[Out]:
    for path, about in outs.items():
        digest = next((text for text in about.values() if isinstance(text, str)), "")
        kind: OutKind = "source" if about["is_data_source"] else "output"
        yield Out(
            path=path,
            digest=digest if DIGEST.fullmatch(digest) else None,
            size=about["size"],
            kind=kind if about["use_cache"] else "git",
        )


def _error(row: dict[str, Any], data: Mapping[str, Any]) -> str | None:
    """Of the whole run, or of the first file that is there and cannot be read."""
    if row["error"]:
        return str(row["error"]["msg"])
    for file, found in [*data.get("params", {}).items(), *data.get("metrics", {}).items()]:
        error = found.get("error")
        if error and error["type"] != "FileNotFoundError":
            return f"{file}: {error['msg']}"
    return None


def _local(timestamp: str | None) -> str | None:
    """DVC tells local time without its offset."""
    return datetime.fromisoformat(timestamp).astimezone().isoformat() if timestamp else None
