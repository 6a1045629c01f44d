"""The list of runs: what it says of each, when it is made anew, and that nobody waits for it."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from studio.errors import StudioError
from studio.runs import listing, store
from studio.runs.model import Run
from studio.runs.store import RunStore

from . import runs_repository
from .runs_repository import PARAMS, call, commit, copied, experiment, head, ref, scores


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    return runs_repository.repository(tmp_path_factory.getbasetemp())


@pytest.fixture
def project(repository, tmp_path):
    return copied(repository, tmp_path)


@pytest.fixture
def refreshes(monkeypatch):
    """Each time that DVC was asked."""
    made = []

    def counted(repo):
        made.append(repo)
        return listing.collect(repo)

    monkeypatch.setattr(store, "collect", counted)
    return made


@pytest.fixture
def told(monkeypatch):
    """A store whose DVC answers at once, or when it is let go on: lists of one run by number."""

    class Told:
        count, problem = 0, None
        may_end = threading.Event()

        def collect(self, repo):
            assert self.may_end.wait(20)
            if self.problem:
                raise StudioError(self.problem)
            self.count += 1
            key = listing.key(repo, ["params.yaml"])
            return listing.Listing(
                key, "now", ("params.yaml",), (Run(f"{self.count}", "a", "branch"),)
            )

    told = Told()
    told.may_end.set()
    monkeypatch.setattr(store, "collect", told.collect)
    return told


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def test_two_hundred_experiments_are_asked_for_once_and_once_more_when_one_is_added(
    project, refreshes
):
    base = head(project)
    stream = [f"reset refs/heads/unused\nfrom {base}\n\n"]
    for number in range(200):
        text = PARAMS.replace("x: 1.0", f"x: {number}.5")
        ref = f"refs/exps/{base[:2]}/{base[2:]}/e{number:03}"
        stream += [f"commit {ref}\ncommitter a <a@b> {1700000000 + number} +0000\ndata 0\n"]
        stream += [f"from {base}\nM 100644 inline params.yaml\ndata {len(text)}\n{text}\n"]
    call(project, "git", "fast-import", "--quiet", given="".join(stream[1:]))
    runs = RunStore(project)
    for _ in range(20):
        assert len(runs.runs()) == 203
    assert len(refreshes) == 1
    again = RunStore(project)
    assert again.runs() == runs.runs() and len(refreshes) == 1
    assert runs.run("e123").params["fit.x"] == 123.5
    experiment(project, "another", scores(score=7))
    assert len(again.runs()) == 203
    again.wait()
    assert again.run("another").metrics == {"scores.json:deep.score": 7}
    for _ in range(20):
        assert len(again.runs()) == 204
    assert len(refreshes) == 2 and again.stand().problem is None


@pytest.mark.parametrize(
    "change",
    [
        lambda project: (project / "params.yaml").write_text(PARAMS.replace("x: 1.0", "x: 3.0")),
        lambda project: (project / "more.json").write_text('{"deep": {"er": 22}}'),
        lambda project: (project / "scores.json").write_text('{"deep": {"score": 22}}'),
        lambda project: (project / "dvc.lock").unlink(),
        lambda project: call(project, "git", "checkout", "-q", "-b", "new"),
        lambda project: call(project, "git", "checkout", "-q", "--detach"),
        lambda project: call(project, "git", "update-ref", "-d", ref(project, "two")),
        lambda project: commit(project, "next"),
    ],
    ids=["params", "other params", "metrics", "lock", "branch", "detach", "remove", "commit"],
)
def test_every_change_that_the_list_may_show_changes_its_key(project, change):
    files = ("dvc.lock", "dvc.yaml", "more.json", "params.yaml", "scores.json")
    before = listing.key(project, files)
    assert listing.key(project, files) == before
    (project / "other.txt").write_text("nothing to do with runs")
    assert listing.key(project, files) == before
    change(project)
    assert listing.key(project, files) != before


def test_a_file_that_changes_while_dvc_reads_is_read_again(project, monkeypatch):
    asked = []

    def show(*words):
        asked.append(words)
        if len(asked) == 1:
            (project / "params.yaml").write_text(PARAMS.replace("x: 1.0", "x: 9.0"))
            time.sleep(0.05)
        return []

    now = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: now() + 10_000_000)  # files are stamped behind it
    monkeypatch.setattr(listing, "_show", show)
    runs = RunStore(project)
    for _ in range(4):
        runs.runs()
        runs.wait()
    assert len(asked) == 2


def test_dvc_is_asked_once_more_when_it_is_busy_and_not_for_ever(project, monkeypatch, tmp_path):
    monkeypatch.setattr(listing, "PAUSE", 0.0)
    asked = tmp_path / "asked"
    programs = tmp_path / "programs"
    programs.mkdir()

    def program(text):
        (programs / "dvc").write_text(f"#!/bin/sh\necho x >> {asked}\n{text}\n")
        (programs / "dvc").chmod(0o755)

    monkeypatch.setattr(listing, "environment", lambda: {"PATH": f"{programs}:/usr/bin:/bin"})
    busy = 'echo "ERROR: the repository is busy" >&2; exit 255'
    program(f'[ $(wc -l < {asked}) -gt 1 ] || {{ {busy}; }}; echo "[]"')
    assert listing.collect(project).runs == ()
    assert asked.read_text().count("x") == 2
    program(busy)
    with pytest.raises(StudioError, match="the repository is busy"):
        listing.collect(project)
    assert asked.read_text().count("x") == 4


def change(project, count):
    (project / "params.yaml").write_text(f"n: {'1' * count}")


def test_a_reader_gets_the_last_list_at_once_while_the_next_one_is_made(project, told):
    runs = RunStore(project)
    assert [run.id for run in runs.runs()] == ["1"]
    told.may_end.clear()
    change(project, 1)
    for _ in range(5):
        assert [run.id for run in runs.runs()] == ["1"]
        assert runs.stand().refreshing
    told.may_end.set()
    runs.wait()
    assert [run.id for run in runs.runs()] == ["2"] and told.count == 2
    assert not runs.stand().refreshing


def test_a_new_server_answers_from_the_file_of_the_last_one_before_dvc_does(project, told):
    RunStore(project).runs()
    change(project, 1)
    told.may_end.clear()
    runs = RunStore(project)
    assert [run.id for run in runs.runs()] == ["1"] and runs.stand().refreshing
    told.may_end.set()
    runs.wait()
    assert [run.id for run in runs.runs()] == ["2"]
    assert [path.name for path in (project / ".studio").iterdir()] == ["runs.json"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 0}', '{"format": 1, "runs": [{}]}'])
def test_a_file_that_is_torn_or_of_another_version_is_made_anew(project, told, text):
    (project / ".studio").mkdir()
    (project / ".studio" / "runs.json").write_text(text)
    runs = RunStore(project)
    assert [run.id for run in runs.runs()] == ["1"]
    assert json.loads((project / ".studio" / "runs.json").read_text())["format"] == listing.FORMAT


def test_many_readers_at_first_wait_for_one_list(project, told):
    told.may_end.clear()
    runs = RunStore(project)
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(runs.runs) for _ in range(8)]
        time.sleep(0.1)
        assert not any(answer.done() for answer in answers)
        told.may_end.set()
        assert {answer.result()[0].id for answer in answers} == {"1"}
    assert told.count == 1


def test_when_dvc_fails_readers_keep_the_last_list_and_learn_of_it(project, told, monkeypatch):
    runs = RunStore(project)
    runs.runs()
    told.problem = "dvc fails"
    change(project, 1)
    for _ in range(3):
        assert [run.id for run in runs.runs()] == ["1"]
        runs.wait()
    assert runs.stand().problem == "dvc fails"
    with pytest.raises(StudioError, match="dvc fails"):
        runs.fresh()
    told.problem = None
    runs.runs()
    runs.wait()
    assert told.count == 1  # it was tried a moment ago
    monkeypatch.setattr(store, "AGAIN", 0.0)
    runs.runs()
    runs.wait()
    assert [run.id for run in runs.runs()] == ["2"] and runs.stand().problem is None


def test_fresh_waits_for_the_list_as_it_is_now(project, told):
    runs = RunStore(project)
    assert [run.id for run in runs.fresh()] == ["1"]
    assert [run.id for run in runs.fresh()] == ["1"]
    change(project, 1)
    assert [run.id for run in runs.fresh()] == ["2"]


def test_a_folder_that_cannot_be_written_costs_only_the_next_start(project, told):
    (project / ".studio").write_text("in the way")
    runs = RunStore(project)
    assert [run.id for run in runs.runs()] == ["1"]
    assert "cannot keep the list of runs" in runs.stand().problem
