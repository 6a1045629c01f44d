"""What `benchmarks.studio` measures on: a repository with many experiments, and an index."""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from agch.codes import pack
from agch.files import sha256
from agch.index_folder import Manifest, write_index
from studio.optuna_store import OptunaStore
from studio.process import environment
from studio.store import FOLDER
from studio.study import Settings

EXPERIMENTS, BRANCHES = 200, 3
PARAMS, DIFFERING, METRICS, STEPS = 64, 8, 15, 100
TRIALS = 100
BITS, LABELS = 64, 10
WHEN = 1_700_000_000
STUDY = "study"
DVC_YAML = """
stages:
  fit:
    cmd: python fit.py
    deps: [fit.py]
    params: [fit, seed]
    outs: [models/fit.pt, curves]
    metrics:
      - scores.json: {cache: false}
    plots:
      - loss.tsv: {x: step, y: loss, cache: false}
plots:
  - curves: {x: step}
"""
IGNORED = "/.studio/\n/models\n/curves\n"


def repository(folder: Path, experiments: int = EXPERIMENTS) -> None:
    """A DVC repository with experiments on some branches, each a commit as DVC makes it."""
    folder.mkdir()
    for words in ("git init -q -b main", "dvc init -q", "git config user.name benchmark"):
        call(folder, *words.split())
    call(folder, "git", "config", "user.email", "benchmark@example.com")
    config = "[core]\n  analytics = false\n  check_update = false\n"
    own = {"dvc.yaml": DVC_YAML, "fit.py": "", ".gitignore": IGNORED, ".dvc/config": config}
    for path, text in {**own, **saved(folder, 0)}.items():
        (folder / path).write_text(text, encoding="utf-8")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-q", "-m", "main")
    call(folder, "dvc", "checkout", "-q")
    others = [
        committed(f"refs/heads/branch-{number}", WHEN, saved(folder, -number), "refs/heads/main")
        for number in range(1, BRANCHES)
    ]
    call(folder, "git", "fast-import", "--quiet", given="".join(others))
    refs = call(folder, "git", "for-each-ref", "--format=%(objectname)", "refs/heads").split()
    made = (experiment(folder, number, refs[number % BRANCHES]) for number in range(experiments))
    call(folder, "git", "fast-import", "--quiet", given="".join(made))


def add(folder: Path, number: int) -> None:
    """One more experiment, on what is checked out."""
    baseline = call(folder, "git", "rev-parse", "HEAD").strip()
    made = experiment(folder, number, baseline)
    call(folder, "git", "fast-import", "--quiet", given=made)


def experiment(folder: Path, number: int, baseline: str) -> str:
    """One for `git fast-import`."""
    ref = f"refs/exps/{baseline[:2]}/{baseline[2:]}/experiment-{number:03}"
    return committed(ref, WHEN + 60 * number, saved(folder, number + 1), baseline)


def committed(ref: str, when: int, files: Mapping[str, str], parent: str) -> str:
    """A commit for `git fast-import`, with these files in place of its parent's."""
    lines = [f"commit {ref}", f"committer benchmark <benchmark@example.com> {when} +0000"]
    lines += [f"data {len(ref)}", ref, f"from {parent}"]
    for path, text in files.items():
        lines += [f"M 100644 inline {path}", f"data {len(text)}", text]  # ASCII alone
    return "\n".join([*lines, "", ""])


def saved(folder: Path, seed: int) -> dict[str, str]:
    """What one run leaves in git; what it leaves in DVC's cache is put there."""
    chance = random.Random(seed)
    params = {f"p{n:02}": n if n >= DIFFERING else chance.random() for n in range(PARAMS - 1)}
    scores = {f"score_{n:02}": chance.random() for n in range(METRICS)}
    lock = {
        "fit": {
            "cmd": "python fit.py",
            "outs": [
                cached(folder, {"score.tsv": curve(chance, "score")}) | {"path": "curves"},
                cached(folder, f"model {seed}") | {"path": "models/fit.pt"},
            ],
        }
    }
    return {
        "params.yaml": json.dumps({"fit": params, "seed": seed % 5}, indent=1),
        "scores.json": json.dumps({"test": scores}),
        "loss.tsv": curve(chance, "loss"),
        "dvc.lock": json.dumps({"schema": "2.0", "stages": lock}),
    }


def curve(chance: random.Random, name: str) -> str:
    """A table of random numbers by step."""
    return f"step\t{name}\n" + "".join(f"{n}\t{chance.random()}\n" for n in range(STEPS))


def cached(folder: Path, content: str | Mapping[str, str]) -> dict[str, object]:
    """A file, or a folder of some, as DVC's cache has it; returns what a lock file says of it."""
    text, end = content, ""
    if isinstance(content, Mapping):
        inside = [
            {"md5": cached(folder, content[path])["md5"], "relpath": path} for path in content
        ]
        text, end = json.dumps(inside), ".dir"
    digest = hashlib.md5(str(text).encode()).hexdigest() + end
    place = folder / ".dvc" / "cache" / "files" / "md5" / digest[:2] / digest[2:]
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(str(text), encoding="utf-8")
    about: dict[str, object] = {"md5": digest, "size": len(str(text)), "hash": "md5"}
    return about | ({"nfiles": len(content)} if end else {})


def study(folder: Path, trials: int = TRIALS) -> None:
    """A study in that repository whose trials are all complete."""
    (folder / FOLDER).mkdir(exist_ok=True)
    store, chance = OptunaStore(folder / FOLDER / "studies.journal"), random.Random(0)
    space = {f"fit.p{n:02}": {"low": 0.0, "high": 1.0} for n in range(DIFFERING)}
    asked = Settings("agch", space, ["scores.json:test.score_00"], n_trials=trials)
    store.create(STUDY, asdict(asked), ["maximize"])
    for number in range(trials):
        store.begin(STUDY, trials)
        store.update(STUDY, number, {name: chance.random() for name in space}, {})
        store.finish(STUDY, number, "complete", [chance.random()], {})


def index(project: Path, rows: int) -> None:
    """The folder of a run of AGCH whose index has random rows; its model is none."""
    model = project / "models" / "agch.pt"
    for folder in (model.parent, project / "data"):
        folder.mkdir(parents=True)
    model.write_bytes(b"none")
    (project / "params.yaml").write_text("{}", encoding="utf-8")
    chance = np.random.default_rng(0)
    outputs = chance.standard_normal((rows, BITS), np.float32)
    codes = pack(outputs)
    arrays: dict[str, NDArray[Any]] = {"label": chance.integers(0, 2, (rows, LABELS), np.uint8)}
    arrays |= {"image": codes, "text": codes, "image_output": outputs, "text_output": outputs}
    about = {name: name for name in ("source", "licence", "backbone", "text_encoder")}
    manifest = Manifest(
        model="random",
        bits=BITS,
        nested=[],
        rows=rows,
        weights_sha256="",
        text_weights_sha256="",
        model_sha256=sha256(model),
        codes_sha256="",
        thumbnail_side=64,
        samples=[],
        **about,
    )
    items = ({"id": str(n), "title": f"item {n}", "words": ["one", "two"]} for n in range(rows))
    thumbnails = (b"" for _ in range(rows))
    write_index(project / "data" / "index", manifest, arrays, [], items, thumbnails)


def call(folder: Path, *words: str, given: str = "") -> str:
    """What a command prints; exits with what it wrote to stderr where it fails."""
    done = subprocess.run(
        words, cwd=folder, env=environment(), input=given, capture_output=True, text=True
    )
    if done.returncode:
        raise SystemExit(f"error: `{' '.join(words)}` failed\n{done.stderr.strip()}")
    return done.stdout
