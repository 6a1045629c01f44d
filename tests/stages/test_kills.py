"""The proof by kills on the real training of a small project."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks import kills

from .conftest import Project


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_training_that_was_killed_anywhere_ends_in_the_same_bytes(
    reproduced: Project,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    project = Project(tmp_path / "project")
    shutil.copytree(reproduced.path, project.path)
    project.set(train={"epochs": 100})
    project.run("git", "commit", "-qam", "more epochs")
    before = kills.Stage([], project.path).written()
    monkeypatch.chdir(project.path)
    monkeypatch.setattr("sys.argv", ["kills", "--times", "3", "--seed", "5"])
    with pytest.raises(SystemExit) as ended:
        kills.main()
    printed = capsys.readouterr().out
    assert not ended.value.code, printed
    assert printed.splitlines()[-1].startswith("3 of 3 ended in the same bytes; ")
    assert kills.Stage([], project.path).written() == before != {}
    assert project.run("git", "status", "--porcelain").stdout == ""
