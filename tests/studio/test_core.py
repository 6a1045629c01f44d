"""The core knows no model, and starts without loading what a command does not need."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ADAPTERS = {*(ROOT / "studio" / "adapters").glob("agch*.py")}
DOMAIN = re.compile(
    r"(?<![a-z])(hash(es|ed|ing)?|hamming|bits?|code.?lengths?|alexnet|tags?(?!:yaml)|images?"
    r"|agch|retrieval|modalit(y|ies))(?![a-z])",
    re.IGNORECASE,
)
MODULES = sorted((ROOT / "studio").rglob("*.py"))


@pytest.mark.parametrize("module", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_only_the_adapter_speaks_of_the_model(module):
    lines = module.read_text(encoding="utf-8").splitlines()
    found = [f"{number}: {line}" for number, line in enumerate(lines, 1) if DOMAIN.search(line)]
    assert bool(found) == (module in ADAPTERS), "\n".join(found)


def test_the_words_are_found_alone_and_within_names():
    for line in ("n_bits = 64", "the Image", "agch.py", "code_length", "hashing", "tags:"):
        assert DOMAIN.search(line), line
    for line in ("import hashlib", "a stage", "arbitrary", "imagined", "exit code", "orbits"):
        assert not DOMAIN.search(line), line


@pytest.mark.parametrize("module", ["studio.cli", "studio.adapters.agch"])
def test_the_command_line_loads_neither_the_model_nor_an_engine_that_is_not_used(module):
    script = (
        f"import sys, {module}, studio.cli; studio.cli.arguments();"
        "print(*{name.split('.')[0] for name in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, done.stderr
    loaded = set(done.stdout.split())
    heavy = {
        "torch",
        "torchvision",
        "agch",
        "stages",
        "optuna",
        "sqlalchemy",
        "sklearn",
        "scipy",
        "dvc",
    }
    assert "studio" in loaded and not heavy & loaded
