"""A tiny model with its own adapter: the platform has to work for it as for any other."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from studio import adapters, engines
from studio.adapters import Adapter
from studio.engines.optuna import OptunaEngine
from studio.journal import Journal
from studio.optuna_store import OptunaStore
from studio.process import heeded_by_children
from studio.store import Store
from studio.study import Settings

FIT = """
import json, os, sys, time, yaml
params = yaml.safe_load(open("params.yaml"))["fit"]
score = -((params["x"] - 3) ** 2) - (params["y"] - 2) ** 2
if params["mode"] == "fail":
    sys.exit("a reason")
with open(os.environ.get("STUDIO_PROGRESS", os.devnull), "a") as file:
    for step in range(params["epochs"]):
        time.sleep(params["seconds"] / params["epochs"])
        print(json.dumps({"step": step, "score": score}), file=file, flush=True)
json.dump({"deep": {"score": score, "x": params["x"]}, "nan": None}, open("out.json", "w"))
"""
PARAMS = "fit: {x: 1.0, y: 2, mode: quick, seconds: 0.0, epochs: 3, share: 1.0}\nseed: 0\n"


class Parabola(Adapter):
    """Has its best score, 0, at x = 3, y = 2."""

    name = "parabola"
    objectives = ("out.json:deep.score",)
    epochs = "fit.epochs"
    subset = "fit.share"
    commands = (("python", "fit.py"),)
    inputs = ("fit.py",)
    sections = ("fit.",)

    def search_ranges(self) -> dict[str, Any]:
        """Both coordinates."""
        return {"fit.x": {"low": 0.0, "high": 6.0}, "fit.y": {"low": 0, "high": 5}}


@pytest.fixture(autouse=True, scope="session")
def stoppable() -> None:
    """What the tests start heeds SIGINT, wherever the tests run."""
    heeded_by_children()


@pytest.fixture(autouse=True)
def parabola(monkeypatch: pytest.MonkeyPatch) -> Parabola:
    """The adapter, known by its name in this test."""
    made = Parabola()
    monkeypatch.setitem(adapters._registered, made.name, made)
    monkeypatch.setitem(engines._registered, "optuna", OptunaEngine)
    return made


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the model."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "fit.py").write_text(FIT)
    (folder / "params.yaml").write_text(PARAMS)
    return folder


@pytest.fixture(params=["journal", "optuna"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store of each kind."""
    if request.param == "journal":
        yield Journal(tmp_path / "studies")
    else:
        yield OptunaStore(tmp_path / "studies" / "studies.journal")


def settings(**changes: Any) -> Settings:
    """A study of the parabola by plain processes."""
    values: dict[str, Any] = {
        "adapter": "parabola",
        "space": Parabola().search_ranges(),
        "objectives": list(Parabola.objectives),
        "runner": "process",
        "n_trials": 6,
    }
    return Settings(**values | changes)


def inside(folder: Path) -> list[int]:
    """The processes that run in a folder or below."""
    found = []
    for each in psutil.process_iter():
        try:
            if each.status() != psutil.STATUS_ZOMBIE and Path(each.cwd()).is_relative_to(folder):
                found.append(each.pid)
        except (psutil.NoSuchProcess, psutil.AccessDenied, OSError):
            continue
    return found


def until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Wait for what has to happen."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)
