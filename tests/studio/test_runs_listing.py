"""What the list says of each run, as DVC tells it."""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.runs import listing
from studio.runs.model import Out, Run
from studio.runs.shown import flat, runs_of
from studio.runs.store import RunStore

from . import runs_repository
from .runs_repository import call, commit, copied, experiment, head, quiet, ref, scores


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return runs_repository.repository(tmp_path_factory.getbasetemp())


@pytest.fixture
def project(repository, tmp_path):
    return copied(repository, tmp_path)


def named(runs):
    return {run.name: run for run in runs}


@pytest.fixture(scope="session")
def found(repository):
    return listing.collect(repository)


@pytest.fixture(scope="session")
def listed(found):
    return found.runs


def test_the_working_tree_the_branch_and_the_experiment_are_runs(repository, listed):
    commit = head(repository)
    assert [(run.name, run.kind, run.baseline) for run in listed] == [
        ("workspace", "workspace", commit),
        ("main", "branch", None),
        ("two", "experiment", commit),
    ]
    assert [run.id for run in listed[:2]] == ["workspace", commit]
    assert call(repository, "git", "rev-parse", f"{listed[2].id}^").strip() == commit
    assert all(run.state == "saved" and run.error is None for run in listed)


def test_parameters_keep_their_types_and_are_named_by_file_but_for_params_yaml(listed):
    params = listed[1].params
    expected = {"fit.x": 1.0, "fit.seconds": 0, "fit.until": "none", "fit.sizes": [1, 2]}
    expected |= {"fit.none": None, "seed": 0, "more.json:deep.er": 1}
    assert params == expected
    assert {name: type(value) for name, value in params.items()} == {
        name: type(value) for name, value in expected.items()
    }
    assert listed[2].params == expected | {"fit.x": 2.0}


def test_metrics_are_numbers_by_file_and_key_and_not_a_number_survives(listed):
    for run, score in zip(listed, (2.0, 2.0, 4.0)):
        assert run.metrics.keys() == {"scores.json:deep.score", "scores.json:deep.odd"}
        assert run.metrics["scores.json:deep.score"] == score
        assert math.isnan(run.metrics["scores.json:deep.odd"])


def test_outputs_have_digest_and_size_and_those_of_two_differ(listed):
    outs = {out.path: out for out in listed[2].outs}
    digest = hashlib.md5(b"whole 2.0").hexdigest()
    assert outs["models/whole.bin"] == Out("models/whole.bin", digest, 9, "output")
    assert outs["models/parts"].size == len("part 2.0") + len("part of all")
    assert outs["models/parts"].digest.endswith(".dir")
    base = {out.path: out.digest for out in listed[1].outs}
    assert [path for path, out in outs.items() if out.digest != base[path]] == [*outs]


def test_times_are_told_with_their_offset(repository, listed):
    assert listed[0].created is None
    seconds = int(call(repository, "git", "log", "-1", "--format=%ct", listed[2].id))
    assert datetime.fromisoformat(listed[2].created).timestamp() == seconds
    assert datetime.fromisoformat(listed[2].created).tzinfo


def test_a_run_is_found_by_id_and_by_name_and_near_names_are_told(repository, listed):
    runs = RunStore(repository)
    assert runs.run("two") == runs.run(listed[2].id)
    assert [run.name for run in runs.pick(["two", "workspace", "main"])] == [
        "two",
        "workspace",
        "main",
    ]
    with pytest.raises(StudioError, match="no run 'twoo'; names near to it: two"):
        runs.run("twoo")
    with pytest.raises(StudioError, match="no run 'zzzzzz'$"):
        runs.run("zzzzzz")


def test_experiments_of_one_name_on_two_commits_are_told_apart_by_their_ids(project):
    first, then = head(project), commit(project, "then")
    ids = {
        experiment(project, "same", scores(score=n), base) for n, base in enumerate((first, then))
    }
    runs = RunStore(project)
    assert ids <= {run.id for run in runs.runs()}
    with pytest.raises(StudioError, match="2 runs are named 'same'") as raised:
        runs.run("same")
    assert all(run in str(raised.value) for run in ids)
    assert {runs.run(run).baseline for run in ids} == {first, then}


def test_a_commit_of_two_branches_is_one_run_with_both_names_the_current_one_first(project):
    call(project, "git", "branch", "also")
    call(project, "git", "branch", "of-two", ref(project, "two"))
    runs = RunStore(project)
    found = runs.run("also")
    assert (found.name, found.id) == ("main, also", head(project))
    two = runs.run("two")
    assert (two.names, two.kind, two.baseline) == (["of-two", "two"], "branch", head(project))
    assert len({run.id for run in runs.runs()}) == len(runs.runs()) == 3


def test_experiments_stay_when_history_goes_on_or_is_written_anew(project):
    base = head(project)
    commit(project, "then")
    assert named(RunStore(project).runs())[base[:7]].kind == "commit"
    call(project, "git", "checkout", "-q", "--orphan", "other")
    commit(project, "anew")
    call(project, "git", "branch", "-q", "-D", "main")
    runs = named(RunStore(project).runs())
    assert runs["two"].baseline == base and runs["two"].metrics["scores.json:deep.score"] == 4
    assert {run.kind for run in runs.values()} == {"workspace", "branch", "commit", "experiment"}


def test_what_cannot_be_read_is_an_error_of_that_run_alone(project):
    experiment(project, "torn", {"scores.json": '{"deep": '})
    experiment(project, "odd", {"params.yaml": "fit: {when: 2020-01-01}\n"})
    experiment(project, "bare", {"scores.json": "0.5", "params.yaml": "{}\n"})
    runs = named(RunStore(project).runs())
    assert "scores.json" in runs["torn"].error and runs["torn"].metrics == {}
    assert runs["torn"].params["fit.x"] == 1.0
    assert "date" in runs["odd"].error and runs["odd"].params == {}
    assert runs["bare"].error is None and runs["bare"].params == {"more.json:deep.er": 1}
    assert runs["main"].error is None and runs["two"].error is None


def test_a_repository_without_commits_has_no_runs(tmp_path):
    call(tmp_path, "git", "init", "-q")
    quiet(tmp_path)
    assert RunStore(tmp_path).runs() == []


def test_what_is_no_repository_is_one_clear_error(tmp_path, monkeypatch):
    monkeypatch.setattr(listing, "PAUSE", 0.0)
    with pytest.raises(StudioError, match="not a git repository"):
        RunStore(tmp_path).runs()
    call(tmp_path, "git", "init", "-q")
    with pytest.raises(StudioError, match="`dvc exp show` failed in .*DVC repository"):
        RunStore(tmp_path).runs()


def test_the_working_tree_is_read_from_all_files_that_its_run_shows(repository, found):
    assert found.files == ("dvc.lock", "dvc.yaml", "more.json", "params.yaml", "scores.json")
    assert found.key == listing.key(repository, found.files)


def test_a_listing_is_read_back_as_it_was_written(found):
    again = listing.from_text(found.to_text())
    odd = "scores.json:deep.odd"  # not a number equals nothing, itself neither
    for run, other in zip(found.runs, again.runs):
        assert math.isnan(run.metrics[odd]) and math.isnan(other.metrics[odd])
        assert run.metrics.keys() == other.metrics.keys()
        assert replace(run, metrics={}) == replace(other, metrics={})
    assert replace(again, runs=()) == replace(found, runs=())


def row(commit, name=None, experiments=(), **data):
    """What DVC says of a commit."""
    about = {"timestamp": None, "params": {}, "metrics": {}, "outs": {}} | data
    return {"rev": commit, "name": name, "data": about, "error": None, "experiments": experiments}


def group(row, name, state=None):
    executor = {"state": state, "name": "x", "local": None} if state else None
    return {"revs": [row], "executor": executor, "name": name}


def test_what_runs_in_the_working_tree_is_the_working_tree_that_runs():
    metrics = {"m.json": {"data": {"a": 1}}}
    rows = [
        row("workspace", metrics=metrics),
        row("c" * 40, experiments=[group(row("workspace", "w"), "w", "running")]),
    ]
    [run, _] = runs_of(rows, {"c" * 40: ["main"]}, "c" * 40)
    assert (run.id, run.names, run.kind) == ("workspace", ["workspace", "w"], "workspace")
    assert (run.state, run.baseline, run.metrics) == ("running", "c" * 40, {"m.json:a": 1})


def test_what_is_not_saved_has_parameters_and_nothing_of_the_commit_it_started_from():
    data = {
        "params": {"params.yaml": {"data": {"x": 1}}},
        "metrics": {"m.json": {"data": {"a": 1}}, "n.json": {"error": {"type": "E", "msg": "no"}}},
        "outs": {"o": {"hash": "d" * 32, "size": 1, "use_cache": True, "is_data_source": False}},
    }
    states = {"running": "running", "queued": "queued", "failed": "failed", "success": "saved"}
    experiments = [group(row(state * 8, **data), state, state) for state in states]
    runs = runs_of([row("c" * 40, experiments=experiments)], {}, None)[1:]
    assert [run.state for run in runs] == [*states.values()]
    assert all(run.params == {"x": 1} and run.kind == "experiment" for run in runs)
    for run in runs:
        saved = run.state == "saved"
        assert run.metrics == ({"m.json:a": 1} if saved else {})
        assert [out.path for out in run.outs] == (["o"] if saved else [])
        assert run.error == ("n.json: no" if saved else None)


def test_a_failed_run_says_what_dvc_says():
    failed = row("f" * 40) | {"data": None, "error": {"msg": "Experiment run failed", "type": ""}}
    runs = runs_of([row("c" * 40, experiments=[group(failed, "f", "failed")])], {}, None)
    assert runs[1] == Run("f" * 40, "f", "experiment", "c" * 40, None, "failed", runs[1].error)
    assert runs[1].error == "Experiment run failed"


def test_outputs_are_told_by_who_keeps_them_and_a_digest_that_is_none_is_not_taken():
    about = {"size": 3, "nfiles": None}
    outs = {
        "made": {"hash": "a" * 32, "use_cache": True, "is_data_source": False},
        "given": {"hash": "b" * 32 + ".dir", "use_cache": True, "is_data_source": True},
        "small": {"hash": "c" * 32, "use_cache": False, "is_data_source": False},
        "absent": {"hash": None, "use_cache": True, "is_data_source": False},
        "evil": {"hash": "../../etc/passwd", "use_cache": True, "is_data_source": False},
    }
    [run] = runs_of([row("c" * 40, outs={p: out | about for p, out in outs.items()})], {}, None)
    assert [(out.path, out.digest, out.size, out.kind) for out in run.outs] == [
        ("made", "a" * 32, 3, "output"),
        ("given", "b" * 32 + ".dir", 3, "source"),
        ("small", "c" * 32, 3, "git"),
        ("absent", None, 3, "output"),
        ("evil", None, 3, "output"),
    ]


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab")
NESTED = st.recursive(
    LEAVES | st.lists(LEAVES, max_size=2),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=3), inner, max_size=3),
)


@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), NESTED, max_size=3))
def test_flat_names_lead_to_the_values_they_stand_for(nested):
    found = dict(flat(nested)) if nested else {}
    for name, value in found.items():
        inner = nested
        for key in name.split("."):
            inner = inner[key]
        assert inner == value and (not isinstance(value, dict) or value == {})

    def leaves(value):
        inside = value.values() if isinstance(value, dict) else []
        return sum(map(leaves, inside)) if inside else 1

    assert len(found) == (leaves(nested) if nested else 0)
