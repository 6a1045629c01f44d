"""The words of a job: whatever somebody asks for, DVC and the studio are told just that."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from studio.creation import create
from studio.errors import StudioError
from studio.jobs.board import Board
from studio.jobs.kinds import (
    promote_job,
    reproduce_job,
    run_job,
    stage_job,
    stage_names,
    study_job,
)
from studio.jobs.kinds import _value as value_of
from studio.runners.dvc import DvcRunner, plain
from studio.written import read_value

from .conftest import settings

STAGES = """
stages:
  fit:
    cmd: python fit.py
  "2":
    cmd: python fit.py
  each:
    foreach: [a, b]
    do: {cmd: "echo ${item}"}
"""


@pytest.fixture
def repository(project):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    who = ["-c", "user.name=test", "-c", "user.email=test@example.com"]
    subprocess.run(
        ["git", *who, "commit", "-q", "--allow-empty", "-m", "made"], cwd=project, check=True
    )
    (project / "dvc.yaml").write_text(STAGES)
    return project


def test_reproduce_is_all_that_has_changed(repository):
    assert reproduce_job(repository) == (
        "reproduce",
        "Reproduce what has changed",
        ["dvc", "--wait-for-lock", "repro"],
        "",
        3,
        None,
    )


def test_a_stage_is_made_from_what_it_needs_as_it_is_now(repository):
    order = stage_job(repository, "fit")
    assert order.command == ["dvc", "--wait-for-lock", "repro", "fit"]
    assert (order.kind, order.subject, order.title) == ("stage", "fit", "Stage fit")


def test_stages_are_those_of_the_file_and_no_others(repository):
    assert stage_names(repository) == ["fit", "2", "each"]
    for name in ("none", "", "--force", "fit ", "fit;ls", "../fit", "dvc.yaml"):
        with pytest.raises(StudioError, match=f"no stage '{name}'; dvc.yaml has fit, 2, each"):
            stage_job(repository, name)


@pytest.mark.parametrize("text", ["", "[]", "stages:", "stages: [fit]", "metrics: [a.json]"])
def test_a_file_without_stages_has_none(repository, text):
    (repository / "dvc.yaml").write_text(text)
    assert stage_names(repository) == []
    with pytest.raises(StudioError, match="no stage 'fit'; dvc.yaml has none"):
        stage_job(repository, "fit")


def test_a_project_without_stages_or_with_a_broken_file_says_so(repository):
    (repository / "dvc.yaml").write_text("stages: {")
    with pytest.raises(StudioError, match="cannot read .*dvc.yaml"):
        stage_names(repository)
    (repository / "dvc.yaml").unlink()
    assert stage_names(repository) == []


def test_a_run_sets_each_value_to_the_last_digit(repository):
    order = run_job(repository, "a", ["fit.x=1e-05", " seed = 7 ", "fit.mode='a b'", "fit.y=true"])
    assert order.command == [
        *["dvc", "--wait-for-lock", "exp", "run", "--temp", "-n", "a"],
        *["-S", "fit.x=1e-05", "-S", "seed=7", "-S", 'fit.mode="a b"', "-S", "fit.y=true"],
    ]
    assert (order.kind, order.subject, order.title) == ("run", "a", "Experiment a")


def test_a_run_without_changes_is_one_of_the_project_as_it_is(repository):
    assert run_job(repository, "a", []).command[-2:] == ["-n", "a"]


def test_the_number_of_steps_is_that_of_the_adapter_whose_parameter_the_project_has(repository):
    assert run_job(repository, "a", []).steps == 3
    assert run_job(repository, "a", ["fit.epochs=12"]).steps == 12
    (repository / "params.yaml").write_text("other: 1\n")
    assert run_job(repository, "a", []).steps is None


@pytest.mark.parametrize(
    "change, why",
    [
        ("fit.none=1", "params.yaml has no parameter 'fit.none'"),
        ("none.x=1", "params.yaml has no parameter 'none.x'"),
        ("fit.x.deep=1", "has no parameter 'fit.x.deep'"),
        ("+fit.new=1", "has no parameter"),
        ("~seed=1", "has no parameter"),
        ("params.yaml:seed=1", "has no parameter"),
        ("fit=1", "'fit' cannot be set; name a single parameter"),
        ("odd key=1", "'odd key' cannot be set"),
        ("fit.x", "one KEY=VALUE, of another key; got 'fit.x'"),
        ("fit.x=", "one KEY=VALUE"),
        ("=1", "has no parameter ''"),
        ("", "one KEY=VALUE"),
        ("fit.x={low: 1}", "fit.x takes a number, a text"),
        ("fit.x=[1, [2]]", "fit.x takes a number, a text"),
        ("fit.x=!!pairs [a: 1]", "fit.x takes a number, a text"),
        ("fit.x=2020-01-01", "cannot read fit.x=2020-01-01"),
        ("fit.x=.inf", "cannot read fit.x=.inf"),
        ("fit.x=[", "cannot read fit.x=["),
        ("fit.x=9999-99-99", "cannot read fit.x=9999-99-99: "),
        ("fit.x=" + "[" * 3000, "cannot read fit.x=[[["),
        ("fit.x=[&a 1, *a]", "cannot read fit.x=[&a 1, *a]: it has an anchor or an alias"),
        ("fit.x=a\\b", "DVC does not pass backslashes"),
        ("fit.x=${seed}", "DVC does not pass backslashes"),
        ('fit.x="a\\nb"', "DVC does not pass backslashes"),
        ('fit.x=["a\\tb"]', "DVC does not pass backslashes"),
    ],
)
def test_what_dvc_could_not_be_told_is_refused(repository, change, why):
    with (repository / "params.yaml").open("a") as file:
        file.write("odd key: 1\n")
    with pytest.raises(StudioError) as refused:
        run_job(repository, "a", [change])
    assert why in str(refused.value)


def test_a_list_of_lists_of_lists_that_would_be_endless_is_refused_at_once(repository):
    # nine references to nine references ... eight times: 359 bytes that stand for 9**9 letters
    bomb = "&l0 [" + ",".join("x" * 9) + "]"
    for depth in range(8):
        bomb += f", &l{depth + 1} [" + ",".join([f"*l{depth}"] * 9) + "]"
    start = time.monotonic()
    with pytest.raises(StudioError, match="it has an anchor or an alias"):
        run_job(repository, "a", [f"fit.x=[{bomb}]"])
    assert time.monotonic() - start < 2


@given(st.text() | st.text("&*a![]{}:,-? 109.'\"<|\n", max_size=20))
@example("!!int ''")
@example("!!timestamp x")
@example("!!bool x")
@example("9" * 6000)
@example("\ud800")
def test_whatever_the_text_it_is_a_value_or_one_error_of_ours(text):
    with suppress(StudioError):
        read_value(text)


def test_a_key_is_set_once(repository):
    with pytest.raises(StudioError, match="of another key; got 'seed=2'"):
        run_job(repository, "a", ["seed=1", "seed=2"])


WORDS = st.text("abc XYZ019.,:;=!?%&()<>'\"/+-*#@^~|_üñ", max_size=9)
SIMPLE = st.none() | st.booleans() | st.integers() | WORDS
SIMPLE |= st.floats(allow_nan=False, allow_infinity=False)


@given(SIMPLE | st.lists(SIMPLE, max_size=4))
def test_dvc_reads_what_was_written_down(value):
    from dvc.utils.hydra import to_hydra_overrides

    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    read = value_of("fit.x", text.removesuffix("...\n").strip())
    [override] = to_hydra_overrides([f"fit.x={plain(read)}"])
    assert repr(override.value()) == repr(value) and not override.is_sweep_override()


@pytest.mark.parametrize(
    "name", ["", "-n", "a b", "a/b", "../a", "a..b", ".a", "a.", "ü", "a\n", "a;b", "$(a)"]
)
def test_a_name_is_made_of_letters_digits_and_what_joins_them(repository, name):
    with pytest.raises(StudioError, match="is no name for an experiment"):
        run_job(repository, name, [])


def test_a_name_that_an_experiment_has_or_will_have_is_taken(repository):
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True, check=True
    ).stdout.strip()
    words = ["git", "update-ref", "refs/exps/ab/cdef/there", commit]
    subprocess.run(words, cwd=repository, check=True)
    with pytest.raises(StudioError, match="there is an experiment 'there' already"):
        run_job(repository, "there", [])
    board = Board(repository)
    job = board.submit(*run_job(repository, "waits", ["seed=1"]))
    again = run_job(repository, "waits", ["seed=2"])
    with pytest.raises(StudioError, match=f"Experiment waits is queued already, as job {job.id}"):
        board.submit(*again)
    board.cancel(job.id)
    assert board.submit(*again).subject == "waits"


def test_the_name_of_a_run_that_another_process_makes_is_taken(repository):
    with DvcRunner(repository).held("s-0001"):
        with pytest.raises(StudioError, match="'s-0001' already, or one is being made"):
            run_job(repository, "s-0001", [])
    assert run_job(repository, "s-0001", []).subject == "s-0001"


def test_without_git_there_are_no_experiments(project):
    with pytest.raises(StudioError, match="is no git repository"):
        run_job(project, "a", [])


def test_a_study_is_run_by_the_command_that_people_use(store):
    create(store, "s", settings())
    assert study_job(store, "s") == (
        "study",
        "Study s",
        ["python", "-P", "-m", "studio", "study", "run", "s"],
        "s",
        settings().n_trials,
        None,
    )
    with pytest.raises(StudioError, match="no study 'none'"):
        study_job(store, "none")


def test_a_store_that_has_an_address_is_no_word_of_the_command(store):
    create(store, "s", settings())
    finish(store, 0, "complete", -5.0)
    url = "postgresql://me:geheim@host/db"
    for order in (study_job(store, "s", url), promote_job(store, "s", None, url)):
        assert order.storage == url and url not in order.command + [order.title, order.subject]
        assert "--storage" not in order.command


def finish(store, number, state, *scores):
    assert store.begin("s", 6) == number
    store.update("s", number, {"fit.x": 1.0, "fit.y": number}, {})
    store.finish("s", number, state, scores, {})


def test_the_trial_that_is_promoted_is_the_one_that_is_the_best_now(store):
    create(store, "s", settings())
    with pytest.raises(StudioError, match="study 's' has no complete trial yet"):
        promote_job(store, "s")
    finish(store, 0, "complete", -5.0)
    finish(store, 1, "complete", -1.0)
    finish(store, 2, "failed")
    order = promote_job(store, "s")
    assert order.command[2:] == ["-m", "studio", "study", "promote", "s", "--trial", "1"]
    assert (order.kind, order.title, order.subject) == ("promote", "Promote trial 1 of s", "s")
    assert promote_job(store, "s", 0).command[-2:] == ["--trial", "0"]
    for number, why in ((2, "trial 2 of 's' is failed"), (9, "trial 9 of 's' is missing")):
        with pytest.raises(StudioError, match=why):
            promote_job(store, "s", number)
