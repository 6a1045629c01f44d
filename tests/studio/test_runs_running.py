"""Runs that are not done yet: nobody waits for them, and they are not disturbed."""

from __future__ import annotations

import subprocess
import time

import pytest

from studio.errors import StudioError
from studio.process import environment
from studio.runs.files import RunFiles
from studio.runs.store import RunStore

from . import runs_repository
from .runs_repository import call, commit, copied, head, ref

pytestmark = pytest.mark.slow


@pytest.fixture
def project(tmp_path_factory, tmp_path):
    return copied(runs_repository.repository(tmp_path_factory.getbasetemp()), tmp_path)


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def named(runs):
    return {run.name: run for run in runs}


def test_a_running_experiment_is_listed_and_neither_waits_for_the_other(project):
    call(project, "git", "update-ref", "-d", ref(project, "two"))
    files, runs = RunFiles(project), RunStore(project)
    before = {
        path: files.read(runs.run("main"), path) for path in ("params.yaml", "models/whole.bin")
    }
    name = ["-n", "slow", "-S", "fit.x=5.0", "-S", "fit.seconds=60"]
    command = ["dvc", "exp", "run", "--temp", "-q", *name, "-S", f"fit.until='{project}/enough'"]
    process = subprocess.Popen(command, cwd=project, env=environment(), stderr=subprocess.PIPE)

    def running():
        runs.runs()
        return any(run.state == "running" for run in runs.runs())

    until(running)
    found = runs.run("slow")
    assert (found.state, found.kind, found.baseline) == ("running", "experiment", head(project))
    assert found.params["fit.x"] == 5.0
    assert found.metrics == {} and found.outs == [] and found.error is None
    with pytest.raises(StudioError, match="run slow is running; it has files once it is saved"):
        files.of(found)
    assert before == {path: files.read(runs.run("main"), path) for path in before}
    assert process.poll() is None
    commit(project, "goes on while it runs")
    assert named(runs.fresh())["slow"].state == "running"
    (project / "enough").touch()
    assert process.wait(60) == 0, process.stderr.read()
    saved = named(runs.fresh())["slow"]
    assert saved.state == "saved" and saved.metrics["scores.json:deep.score"] == 10
    assert files.read(saved, "models/whole.bin") == b"whole 5.0"
    assert call(project, "git", "status", "--short") == "?? enough\n"


def test_a_queued_run_is_listed_with_its_parameters_when_the_branch_has_gone_on(project):
    base = head(project)
    call(project, "git", "update-ref", "-d", ref(project, "two"))
    call(project, "dvc", "exp", "run", "--queue", "-q", "-n", "later", "-S", "fit.x=8.0")
    commit(project, "then")
    runs = named(RunStore(project).runs())
    assert runs[base[:7]].kind == "commit"
    later = runs["later"]
    assert (later.state, later.baseline, later.metrics) == ("queued", base, {})
    assert later.params["fit.x"] == 8.0
