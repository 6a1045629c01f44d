"""The promise of the README on the committed experiment itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ELSEWHERE = {"OMP_NUM_THREADS": "1", "ATEN_CPU_CAPABILITY": "avx512", "MKL_CBWR": "COMPATIBLE"}


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_a_clone_under_another_environment_gives_the_committed_bytes(tmp_path: Path) -> None:
    place = tmp_path / "a clone"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | ELSEWHERE | {"PATH": path}
    subprocess.run(["git", "clone", "-q", ROOT, place], check=True)
    subprocess.run(["dvc", "repro"], cwd=place, env=environment, check=True)
    status = ["git", "status", "--porcelain"]
    assert subprocess.run(status, cwd=place, capture_output=True, text=True).stdout == ""
