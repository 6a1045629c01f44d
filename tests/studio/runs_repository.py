"""A small DVC repository of no model in particular, made once for all tests of a process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

from studio.process import environment

FIT = """
import json, os, time, yaml
fit = yaml.safe_load(open("params.yaml"))["fit"]
os.makedirs("models/parts", exist_ok=True)
os.makedirs("curves", exist_ok=True)
open("models/whole.bin", "w").write(f"whole {fit['x']}")
open("models/parts/a", "w").write(f"part {fit['x']}")
open("models/parts/b", "w").write("part of all")
with open("curves/loss.tsv", "w") as file:
    file.write("step\\tloss\\n")
    for step in range(3):
        file.write(f"{step}\\t{fit['x'] / (step + 1)}\\n")
for _ in range(int(fit["seconds"] * 10)):
    time.sleep(0.1)
    if os.path.exists(fit["until"]):
        break
scores = {"deep": {"score": fit["x"] * 2, "odd": float("nan"), "text": "a", "true": True}}
json.dump(scores, open("scores.json", "w"))
"""
PARAMS = "fit: {x: 1.0, seconds: 0, until: none, sizes: [1, 2], none: null}\nseed: 0\n"
DVC_YAML = """
stages:
  fit:
    cmd: python fit.py
    deps: [fit.py]
    params: [fit, seed, more.json: [deep]]
    outs: [models/whole.bin, models/parts, curves]
    metrics:
      - scores.json: {cache: false}
plots:
  - curves: {x: step}
"""


def call(folder: Path, *words: str, given: str = "") -> str:
    """What a command prints that has to succeed."""
    done = subprocess.run(
        words, cwd=folder, env=environment(), capture_output=True, text=True, input=given
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@cache
def repository(place: Path) -> Path:
    """One pipeline, run and committed, and the experiment `two` with x = 2; not to be changed."""
    folder = place / "runs" / "project"
    folder.mkdir(parents=True)
    (folder / "fit.py").write_text(FIT)
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "more.json").write_text('{"deep": {"er": 1}}')
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / ".gitignore").write_text("/.studio/\n/models\n/curves\n")
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@example.com")
    quiet(folder)
    call(folder, "dvc", "repro", "-q")
    commit(folder, "made")
    call(folder, "dvc", "exp", "run", "--temp", "-q", "-n", "two", "-S", "fit.x=2.0")
    return folder


def quiet(folder: Path) -> None:
    """A repository of DVC's that asks nothing of any other host."""
    call(folder, "dvc", "init", "-q")
    (folder / ".dvc" / "config").write_text("[core]\n  analytics = false\n  check_update = false\n")


def copied(original: Path, place: Path) -> Path:
    """A copy of the repository, with its times, to change."""
    folder = place / "project"
    shutil.copytree(original, folder, symlinks=True, ignore=shutil.ignore_patterns(".studio"))
    call(folder, "git", "update-index", "-q", "--refresh")
    return folder


def commit(folder: Path, message: str) -> str:
    """Commit all that git does not ignore."""
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-q", "--allow-empty", "-m", message)
    return head(folder)


def head(folder: Path) -> str:
    """The commit that is checked out."""
    return call(folder, "git", "rev-parse", "HEAD").strip()


def experiment(folder: Path, name: str, files: dict[str, str], baseline: str = "") -> str:
    """An experiment as DVC saves one: a commit on its baseline with these files, and a ref."""
    baseline = baseline or head(folder)
    index = {**environment(), "GIT_INDEX_FILE": str(folder / ".git" / "other-index")}

    def git(*words: str, given: str = "") -> str:
        done = subprocess.run(
            ["git", *words], cwd=folder, env=index, input=given, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    git("read-tree", baseline)
    for path, text in files.items():
        blob = git("hash-object", "-w", "--stdin", given=text)
        git("update-index", "--add", "--cacheinfo", f"100644,{blob},{path}")
    made = git("commit-tree", git("write-tree"), "-p", baseline, "-m", name)
    git("update-ref", f"refs/exps/{baseline[:2]}/{baseline[2:]}/{name}", made)
    os.unlink(folder / ".git" / "other-index")
    return made


def scores(**values: float) -> dict[str, str]:
    """The metrics file of an experiment."""
    return {"scores.json": json.dumps({"deep": values})}


def ref(folder: Path, name: str) -> str:
    """Of an experiment."""
    refs = call(folder, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    return next(found for found in refs if found.endswith(f"/{name}"))
