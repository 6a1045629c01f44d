"""Trials as plain processes: each in a folder of its own, with its own parameters."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from studio import process
from studio.errors import StudioError
from studio.promotion import Patient
from studio.params import own_values, put
from studio.runners.local import ProcessRunner
from studio.space import parse

from .conftest import Parabola


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(process, "POLL", 0.01)


@pytest.fixture
def model(project):
    """The parabola beside a folder and a file that it reads, too."""
    (project / "data" / "raw").mkdir(parents=True)
    (project / "data" / "raw" / "a.txt").write_text("a")
    (project / "data" / "big.bin").write_bytes(b"big")
    (project / "data" / "other.bin").write_bytes(b"not read")
    made = Parabola()
    made.inputs = ("fit.py", "data/raw", "data/big.bin")
    return made


@pytest.fixture
def runner(model, project):
    return ProcessRunner(model, project)


def state(folder):
    """Everything in a folder, to compare, but not what the platform keeps there."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    files = (path for path in files if ".studio" not in path.parts)
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest(),
            path.stat().st_mtime_ns,
            path.is_symlink(),
        )
        for path in files
    }


def test_the_scores_of_a_run_are_those_of_its_values(runner, project, tmp_path):
    ended = runner.run("a", {"fit.x": 5.0, "fit.y": 4}, tmp_path / "log", Patient())
    assert (ended.status, ended.stopped) == (0, False)
    assert yaml.safe_load(runner.read("a", "out.json"))["deep"] == {"score": -8.0, "x": 5.0}
    runner.run("b", {"fit.x": 3.0}, tmp_path / "log", Patient())
    assert yaml.safe_load(runner.read("b", "out.json"))["deep"]["score"] == 0.0
    assert yaml.safe_load(runner.read("a", "out.json"))["deep"]["score"] == -8.0


def test_the_project_stays_as_it_is(runner, project, tmp_path):
    before = state(project)
    runner.run("a", {"fit.x": 5.0}, tmp_path / "log", Patient())
    runner.run("b", {"fit.mode": "fail"}, tmp_path / "log", Patient())
    assert state(project) == before != {}
    assert {path.name for path in (project / ".studio" / "runs").iterdir()} == {"a", "b"}


def test_a_run_sees_what_the_model_reads_as_links_and_nothing_else(runner, project, tmp_path):
    runner.run("a", {}, tmp_path / "log", Patient())
    place = runner.folder / "a"
    links = {str(path.relative_to(place)): path for path in place.rglob("*") if path.is_symlink()}
    assert set(links) == {"fit.py", "data/raw", "data/big.bin"}
    assert all(link.resolve() == project / name for name, link in links.items())
    assert (place / "data" / "raw" / "a.txt").read_text() == "a"
    assert not (place / "data" / "other.bin").exists()
    assert not (place / "params.yaml").is_symlink()


def test_links_reach_a_project_that_is_named_from_where_we_stand(
    model, project, tmp_path, monkeypatch
):
    monkeypatch.chdir(project)
    runner = ProcessRunner(model, Path())
    ended = runner.run("a", {"fit.x": 2.0}, tmp_path / "log", Patient())
    assert ended.status == 0, ended.tail


def test_the_other_parameters_are_those_of_the_project(runner, project, tmp_path):
    runner.run("a", {"fit.y": 4}, tmp_path / "log", Patient())
    before = yaml.safe_load((project / "params.yaml").read_text())
    assert yaml.safe_load(runner.read("a", "params.yaml")) == {
        **before,
        "fit": {**before["fit"], "y": 4},
    }


VALUE = st.one_of(
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False),
    st.text(max_size=8),
    st.sampled_from([1e-05, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, -0.0, 1e22, "1e-5", "yes"]),
    st.sampled_from(["", "null", "0x1", "1_0", "2020-01-01", "~", " a ", "- b", "x: y", "a\nb"]),
)


@options(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(VALUE, min_size=6, max_size=6))
def test_a_value_of_any_type_arrives_to_the_last_digit(runner, values):
    named = dict(zip(["fit.x", "fit.y", "fit.mode", "fit.seconds", "fit.share", "seed"], values))
    runner.discard("a")
    place = runner._prepared("a", named)
    read = yaml.safe_load((place / "params.yaml").read_text(encoding="utf-8"))
    found = {name: read["fit"][name[4:]] if "." in name else read[name] for name in named}
    assert {name: (type(value), repr(value)) for name, value in found.items()} == {
        name: (type(value), repr(value)) for name, value in named.items()
    }


@pytest.mark.parametrize("name", ["fit.z", "fit.x.deep", "fitx", "other.x", "seed.x", ""])
def test_a_parameter_that_the_project_does_not_have_is_named(runner, tmp_path, name):
    with pytest.raises(StudioError, match=f"params.yaml has no parameter '{name}'"):
        runner.run("a", {name: 1}, tmp_path / "log", Patient())
    assert not (tmp_path / "log").exists()


def test_a_parameter_is_found_at_any_depth():
    params = {"a": {"b": {"c": 1, "d": [2]}}}
    put(params, "a.b.c", None)
    put(params, "a.b.d", 5)
    assert params == {"a": {"b": {"c": None, "d": 5}}}


def test_what_trials_read_must_be_there_before_the_first_one(model, project):
    (project / "data" / "big.bin").unlink()
    with pytest.raises(StudioError, match="data/big.bin, which trials read, is not there"):
        ProcessRunner(model, project)


SPACE = {
    "fit.x": {"low": 0.0, "high": 6.0},
    "fit.mode": ["quick", "slow"],
    "fit.y": {"low": 0, "high": 5, "when": {"fit.mode": "quick"}},
    "seed": 7,
}
OWN = {"fit": {"x": 1, "y": 2, "mode": "quick"}, "seed": 0}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, {"fit.x": 1, "fit.mode": "quick", "fit.y": 2, "seed": 7}),
        ({"mode": "slow", "y": 99}, {"fit.x": 1, "fit.mode": "slow", "seed": 7}),
        ({"y": 2.0}, {"fit.x": 1, "fit.mode": "quick", "fit.y": 2, "seed": 7}),
        ({"y": 2.5}, None),
        ({"x": 6.1}, None),
        ({"y": 6}, None),
        ({"mode": "other"}, None),
        ({"x": None}, None),
        ({"x": [1.0]}, None),
        ({"mode": ["quick"]}, None),
    ],
)
def test_the_projects_own_values_are_a_trial_if_they_lie_inside(change, expected):
    found = own_values({**OWN, "fit": OWN["fit"] | change}, parse(SPACE))
    assert found == expected
    assert type((found or {}).get("fit.y", 0)) is int


def test_a_space_of_parameters_that_the_project_does_not_have_is_refused():
    with pytest.raises(StudioError, match="params.yaml has no parameter 'fit.z'"):
        own_values(OWN, parse(SPACE | {"fit.z": [1, 2]}))


def commands(*texts):
    return tuple(("python", "-c", text) for text in texts)


def test_commands_run_one_after_the_other_until_one_fails(model, project, tmp_path):
    model.commands = commands("print(1)", "print(2); raise SystemExit(4)", "print(3)")
    runner = ProcessRunner(model, project)
    ended = runner.run("a", {}, tmp_path / "log", Patient())
    assert (ended.status, ended.tail) == (4, "1\n2\n")


def test_a_stop_of_one_command_starts_no_other(model, project, tmp_path):
    model.commands = commands("open('ready', 'w'); import time; time.sleep(100)", "print(2)")
    runner = ProcessRunner(model, project)

    class Impatient(Patient):
        def stop(self, news):
            return (runner.folder / "a" / "ready").exists()

    ended = runner.run("a", {}, tmp_path / "log", Impatient())
    assert ended.stopped and ended.status and "2\n" not in ended.tail


def test_the_models_python_is_ours(model, project, tmp_path):
    model.commands = commands("import sys; print(sys.executable)")
    runner = ProcessRunner(model, project)
    found = runner.run("a", {}, tmp_path / "log", Patient()).tail.strip()
    assert os.path.dirname(found) == os.path.dirname(sys.executable)


def test_what_is_discarded_or_was_never_made_cannot_be_read(runner, tmp_path):
    for name in "ab":
        runner.run(name, {}, tmp_path / "log", Patient())
    runner.discard("a")
    runner.discard("a")
    runner.discard("never")
    for name, path in (("a", "out.json"), ("never", "out.json"), ("b", "none.json")):
        with pytest.raises(OSError):
            runner.read(name, path)
    assert runner.read("b", "out.json")


def test_a_discarded_run_can_be_made_again(runner, project, tmp_path):
    for x in (1.0, 3.0):
        runner.run("a", {"fit.x": x}, tmp_path / "log", Patient())
        assert yaml.safe_load(runner.read("a", "out.json"))["deep"]["x"] == x
        runner.discard("a")
    assert (project / "data" / "raw" / "a.txt").exists()
