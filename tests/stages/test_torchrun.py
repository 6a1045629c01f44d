"""The training stage by two processes: the same metrics, one set of lines, and an early end."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from agch.files import sha256

from .conftest import Project

STAGE = (sys.executable, "-m", "stages.train")
TWO = (sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2")
BOTH = (*TWO, *STAGE[1:])
WRITTEN = ("metrics/train.json", "models/agch.pt", "plots/train/loss_terms.csv")
CHECKPOINTS = "checkpoints"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture
def project(reproduced: Project, tmp_path: Path) -> Project:
    """A reproduced project that a test may change."""
    made = Project(tmp_path / "project")
    shutil.copytree(reproduced.path, made.path)
    return made


def start(project: Project) -> subprocess.Popen[str]:
    """Both processes; what they print goes into a file beside the project."""
    env = os.environ | {"AGCH_CHECKPOINTS": CHECKPOINTS}
    with (project.path.parent / "printed").open("w") as out:
        return subprocess.Popen(BOTH, cwd=project.path, env=env, stdout=out, stderr=out, text=True)


def printed(project: Project) -> str:
    """What they have printed."""
    return (project.path.parent / "printed").read_text()


def trained(project: Project, command: tuple[str, ...]) -> tuple[dict[str, Any], str]:
    """The metrics and the lines of a whole run from the start."""
    done = project.run(*command, AGCH_CHECKPOINTS=CHECKPOINTS)
    assert not list((project.path / CHECKPOINTS).rglob("*.pt"))
    return project.json(WRITTEN[0]), done.stdout


def numbers(values: Any, name: str = "") -> dict[str, float]:
    """All numbers of nested metrics by path."""
    if not isinstance(values, dict):
        return {name: float(values)}
    return {k: v for key in values for k, v in numbers(values[key], f"{name}/{key}").items()}


def test_two_processes_end_with_the_metrics_and_the_lines_of_one(project: Project) -> None:
    one, lines = trained(project, STAGE)
    two, both = trained(project, BOTH)
    assert numbers(two) == pytest.approx(numbers(one), rel=1e-3, abs=1e-3)
    starts = [[line.split(":")[0] for line in each.splitlines()] for each in (both, lines)]
    assert [line for line in starts[0] if line.startswith("epoch ")] == [
        f"epoch {number}" for number in range(1, 5)
    ]
    assert len(starts[0]) == len(starts[1]) and starts[0][-1] == starts[1][-1]


def test_a_signal_ends_both_with_a_checkpoint_from_which_they_continue(project: Project) -> None:
    project.set(train={"epochs": 200})
    trained(project, BOTH)
    unbroken = [sha256(project.path / name) for name in WRITTEN]
    process = start(project)
    try:
        while "epoch 20:" not in printed(project):
            assert process.poll() is None, printed(project)
            time.sleep(0.05)
        process.send_signal(signal.SIGTERM)
        sent = time.monotonic()
        assert process.wait(60) != 0
        assert time.monotonic() - sent < 10, printed(project)
    finally:
        process.kill()
    assert "interrupted by SIGTERM; the same command continues from here" in printed(project)
    assert "epoch 200:" not in printed(project)
    assert len(list((project.path / CHECKPOINTS).rglob("*.pt"))) == 1
    _, lines = trained(project, BOTH)
    assert lines.count("continuing after epoch ") == 1 and "epoch 20:" not in lines
    assert [sha256(project.path / name) for name in WRITTEN] == unbroken


def test_a_batch_that_two_cannot_share_is_an_error_without_a_traceback_of_ours(
    project: Project,
) -> None:
    project.set(train={"batch": 7})
    done = project.run(*BOTH, check=False)
    assert done.returncode != 0
    assert "error: train.batch is 7, which 2 processes cannot share evenly" in done.stderr
    assert "stages/train.py" not in done.stderr
