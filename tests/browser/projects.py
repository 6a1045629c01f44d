"""The repositories whose pages are looked at: a small one, one of somebody else, our own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from ..studio.runs_repository import call, commit, experiment, quiet

ROOT = Path(__file__).parents[2]
FIT = """
import json, os, sys, time, yaml
fit = yaml.safe_load(open("params.yaml"))["fit"]
x, y = float(fit["x"]), fit["y"]
if fit["mode"] == "fail":
    sys.exit("a reason")
os.makedirs("curves", exist_ok=True)
score = 10 - (x - 3) ** 2 - (y - 2) ** 2
with open(os.environ.get("STUDIO_PROGRESS", os.devnull), "a") as progress:
    with open("curves/loss.tsv", "w") as curve:
        print("step", "loss", sep="\\t", file=curve)
        for step in range(fit["epochs"]):
            time.sleep(fit["seconds"] / fit["epochs"])
            print(json.dumps({"step": step, "score": score}), file=progress, flush=True)
            print(step, 50 / (step + 1) - score, sep="\\t", file=curve)
open("model.bin", "w").write(f"{x} {y}")
json.dump({"deep": {"score": score, "cost": x + y}}, open("scores.json", "w"))
"""
FIT_PARAMS = """fit: {x: 1.0, y: 2, mode: quick, seconds: 0.0, epochs: 5, share: 1.0}
seed: 0
"""
FIT_YAML = """
stages:
  fit:
    cmd: python fit.py
    deps: [fit.py]
    params: [fit, seed]
    outs: [model.bin, curves]
    metrics:
      - scores.json: {cache: false}
plots:
  - curves: {x: step, title: Loss by step}
"""
TIDES = """
import csv, json, os, tomllib, yaml
seed = yaml.safe_load(open("params.yaml"))["seed"]
model = json.load(open("config/model.json"))
epochs = tomllib.load(open("config/training.toml", "rb"))["epochs"]
os.makedirs("dvclive/plots/metrics/train", exist_ok=True)
with open("dvclive/plots/metrics/train/loss.tsv", "w") as file:
    print("step", "loss", sep="\\t", file=file)
    for step in range(epochs):
        print(step, model["layers"] / (step + 1) + model["rate"], sep="\\t", file=file)
with open("levels.csv", "w") as file:
    csv.writer(file).writerows([("hour", "level"), *((hour, hour % 12) for hour in range(24))])
json.dump([{"day": day, "error": seed + day} for day in range(7)], open("errors.json", "w"))
rmse = round(model["rate"] * 10 + model["layers"] + seed, 6)
json.dump({"step": epochs - 1, "rmse": rmse}, open("dvclive/metrics.json", "w"))
"""
TIDES_YAML = """
stages:
  forecast:
    cmd: python tides.py
    deps: [tides.py]
    params: [seed, config/model.json: [layers, rate], config/training.toml: [epochs]]
    metrics:
      - dvclive/metrics.json: {cache: false}
    plots:
      - dvclive/plots/metrics: {cache: false, x: step}
      - levels.csv: {x: hour, y: level}
      - errors.json: {x: day, y: error}
"""


def small(place: Path) -> Path:
    """One pipeline, run and committed, and 20 experiments: the last one, `two`, was run."""
    folder = _begun(place / "project")
    (folder / "fit.py").write_text(FIT)
    (folder / "params.yaml").write_text(FIT_PARAMS)
    (folder / "dvc.yaml").write_text(FIT_YAML)
    (folder / ".gitignore").write_text("/.studio/\n")
    call(folder, "dvc", "repro", "-q")
    commit(folder, "made")
    for x in range(19):
        params = FIT_PARAMS.replace("x: 1.0", f"x: {x / 10}").replace("seed: 0", f"seed: {x % 3}")
        scores = {"deep": {"score": 10 - (x / 10 - 3) ** 2, "cost": x / 10 + 2}}
        files = {"params.yaml": params, "scores.json": json.dumps(scores)}
        experiment(folder, f"made-{x:02}", files)
    call(folder, "dvc", "exp", "run", "--temp", "-q", "-n", "two", "-S", "fit.x=2.0")
    return folder


def tides(place: Path) -> Path:
    """Somebody's forecast: two branches, three experiments, parameters in three files."""
    folder = _begun(place / "tides")
    (folder / "config").mkdir()
    (folder / "tides.py").write_text(TIDES)
    (folder / "params.yaml").write_text("seed: 1\n")
    (folder / "config/model.json").write_text('{"layers": 2, "rate": 0.5}')
    (folder / "config/training.toml").write_text("epochs = 6\n")
    (folder / "dvc.yaml").write_text(TIDES_YAML)
    call(folder, "dvc", "repro", "-q")
    commit(folder, "made")
    for name, change in (("calm", "seed=0"), ("steep", "config/model.json:rate=0.75")):
        call(folder, "dvc", "exp", "run", "--temp", "-q", "-n", name, "-S", change)
    call(folder, "git", "checkout", "-q", "-b", "wide")
    (folder / "config/model.json").write_text('{"layers": 4, "rate": 0.5}')
    call(folder, "dvc", "repro", "-q")
    commit(folder, "wider")
    long = "config/training.toml:epochs=9"
    call(folder, "dvc", "exp", "run", "--temp", "-q", "-n", "long", "-S", long)
    call(folder, "git", "checkout", "-q", "main")
    return folder


def ours(place: Path) -> Path:
    """A clone of this repository with the data that its checkout has, but for the search index."""
    folder = place / "agch"
    call(place, "git", "clone", "-q", str(ROOT), str(folder))
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@example.com")
    lock = yaml.safe_load((folder / "dvc.lock").read_text(encoding="utf-8"))
    for stage in lock["stages"].values():
        for out in stage.get("outs", []):
            if out["path"] != "data/index":
                _copy(folder, out["md5"], out["path"])
    call(folder, "dvc", "checkout", "-q", "--allow-missing")
    return folder


def _begun(folder: Path) -> Path:
    """An empty repository."""
    folder.mkdir(parents=True)
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@example.com")
    quiet(folder)
    return folder


def _copy(folder: Path, digest: str, path: str) -> None:
    """Copy what the cache of this checkout has of an output, the files of a folder too."""
    name = Path(".dvc/cache/files/md5") / digest[:2] / digest[2:]
    if not (ROOT / name).exists():
        pytest.skip(f"the DVC cache of {ROOT} lacks {path}; `make repro` makes it")
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / name, folder / name)
    if digest.endswith(".dir"):
        for entry in json.loads((ROOT / name).read_text(encoding="utf-8")):
            _copy(folder, entry["md5"], path)
