"""The search: every trial is made once and ends in the store, whatever happens on the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import subprocess
import tempfile
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from studio import process, search, stale
from studio.creation import check, create
from studio.errors import StudioError
from studio.journal import Journal
from studio.optuna_store import OptunaStore
from studio.process import Ended
from studio.runners.local import ProcessRunner
from studio.search import Search
from studio.stale import fail_stale
from studio.store import owner
from studio.study import Study

from .conftest import inside, settings, until

FORK = multiprocessing.get_context("fork")


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """Short waits, and all that a killed process leaves in the test's own folder."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(process, "POLL", 0.02)
    monkeypatch.setattr(stale, "GRACE", 0.1)


@pytest.fixture
def journal(tmp_path):
    """The quicker store, where nothing depends on which it is."""
    return Journal(tmp_path / "journal")


@pytest.fixture
def logs(tmp_path):
    return tmp_path / "logs"


class Formula:
    """A runner in the place of a process: reports and scores are computed on the spot."""

    def __init__(self, steps=3):
        self.steps, self.made, self.discarded = steps, {}, []
        self.fail, self.wait = (), threading.Event()
        self.wait.set()

    def run(self, name, values, log, watch):
        self.made[name] = dict(values)
        watch.started({"group": 2**22 - 1, "born": 0.0})
        if values.get("fit.x") in self.fail:
            return Ended(1, False, "a reason\n")
        score = -((values.get("fit.x", 1.0) - 3) ** 2) - (values.get("fit.y", 2) - 2) ** 2
        self.made[name]["score"] = score
        for step in range(self.steps):
            if watch.stop([(step, score)]):
                return Ended(-2, True, "")
        while not self.wait.wait(0.01):
            if watch.stop([]):
                return Ended(-2, True, "")
        return Ended(0, False, "")

    def read(self, name, path):
        return json.dumps({"deep": {"score": self.made[name]["score"]}})

    def discard(self, name):
        self.discarded.append(name)


def made(store, name="s", **changes):
    return create(store, name, settings(**changes))


def states(study):
    return Counter(trial.state for trial in study.trials())


def numbers(study):
    return [trial.number for trial in study.trials()]


@pytest.fixture
def runner(project, parabola, tmp_path):
    """Real processes, in a folder whose processes can be counted."""
    return ProcessRunner(parabola, project)


def test_all_trials_are_made_by_two_at_a_time_and_the_best_is_near(store, runner, logs):
    study, shown, ended = made(store, n_trials=12, seed=3), [], []
    Search(study, runner, logs, lambda t: (shown if t.state == "running" else ended).append(t)).run(
        2
    )
    trials = study.trials()
    assert states(study) == {"complete": 12} and numbers(study) == list(range(12))
    for trial in trials:
        x, y = trial.values["fit.x"], trial.values["fit.y"]
        assert trial.scores == (-((x - 3) ** 2) - (y - 2) ** 2,)
        assert trial.reports == {step: trial.scores[0] for step in range(3)}
        assert study.space.holds(trial.values)
        assert trial.notes["experiment"] == f"s-{trial.number:04d}"
        assert trial.notes["started_at"] < trial.notes["ended"]
        assert Path(trial.notes["log"]).exists()
    assert sorted(trial.number for trial in ended) == list(range(12))
    assert {trial.number for trial in shown} == set(range(12))
    assert max(trial.scores[0] for trial in trials) > -2.0
    overlap = [
        (a.number, b.number)
        for a in trials
        for b in trials
        if a.number < b.number and b.notes["started_at"] < a.notes["ended"]
    ]
    assert overlap


def test_the_engine_is_told_what_came_of_the_trials_before(journal, logs):
    study = made(journal, n_trials=40, seed=1)
    Search(study, Formula(), logs).run(1)
    scores = [trial.scores[0] for trial in study.trials()]
    assert sum(scores[-15:]) / 15 > sum(scores[:10]) / 10 + 1


def test_the_same_seed_makes_the_same_study_and_no_trial_is_repeated(journal, logs):
    for name in ("a", "b"):
        Search(made(journal, name, n_trials=20, seed=7), Formula(), logs).run(1)
    first, second = ([t.values for t in Study(journal, name).trials()] for name in ("a", "b"))
    assert first == second
    assert len({tuple(sorted(values.items())) for values in first}) == 20


def test_a_study_that_goes_on_asks_what_it_would_have_asked(journal, logs):
    whole = made(journal, "whole", n_trials=16, seed=7)
    Search(whole, Formula(), logs).run(1)
    parts = made(journal, "parts", n_trials=16, seed=7)

    class Enough(Formula):
        def run(self, name, values, log, watch):
            if len(self.made) == 5:
                finished.cancelled.set()
            return super().run(name, values, log, watch)

    for _ in range(3):
        finished = Search(Study(journal, "parts"), Enough(steps=0), logs)
        finished.run(1)
    assert len(parts.trials()) == 16
    assert [t.values for t in parts.trials()] == [t.values for t in whole.trials()]


def test_trials_that_fail_keep_the_end_of_their_log_and_the_study_goes_on(
    store, project, runner, logs
):
    space = {"fit.x": {"low": 0.0, "high": 6.0}, "fit.mode": ["fail", "quick"]}
    study = made(store, space=space, n_trials=8)
    Search(study, runner, logs).run(2)
    failed = [trial for trial in study.trials() if trial.values["fit.mode"] == "fail"]
    assert 0 < len(failed) < 8
    for trial in study.trials():
        if trial in failed:
            assert (trial.state, trial.scores, trial.notes["status"]) == ("failed", (), 1)
            assert trial.notes["tail"] == "a reason\n" == Path(trial.notes["log"]).read_text()
            assert not (runner.folder / trial.notes["experiment"]).exists()
        else:
            assert trial.state == "complete" and "tail" not in trial.notes
            assert (runner.folder / trial.notes["experiment"]).exists()


@pytest.mark.parametrize(
    ("objective", "reason"),
    [
        ("none.json:a", "no metrics in none.json: .*No such file"),
        ("out.json:deep.none", "out.json has no 'deep.none': at 'none' there is score, x"),
        ("out.json:nan", "out.json: 'nan' is no number but None"),
        ("fit.py:a", "no metrics in fit.py: Expecting value"),
    ],
)
def test_a_run_without_the_objective_is_a_trial_that_failed(
    journal, runner, logs, objective, reason
):
    study = made(journal, objectives=[objective], n_trials=1)
    Search(study, runner, logs).run(1)
    [trial] = study.trials()
    assert trial.state == "failed" and trial.scores == ()
    assert re.search(reason, trial.notes["tail"])
    assert not (runner.folder / "s-0000").exists()


def test_a_program_that_is_missing_ends_the_study_at_once_and_says_so(
    journal, project, parabola, logs
):
    parabola.commands = (("no-such-program",),)
    study, runner = made(journal), ProcessRunner(parabola, project)
    with pytest.raises(StudioError, match="cannot run no-such-program"):
        Search(study, runner, logs).run(1)
    [trial] = study.trials()
    assert trial.state == "failed" and "no-such-program" in trial.notes["tail"]


def test_an_error_of_one_job_ends_the_others(journal, logs):
    class Broken(Formula):
        def run(self, name, values, log, watch):
            if name == "s-0001":
                until(lambda: "s-0000" in self.made)
                raise StudioError("no more disk")
            return super().run(name, values, log, watch)

    study, runner = made(journal), Broken()
    runner.wait.clear()
    with pytest.raises(StudioError, match="no more disk"):
        Search(study, runner, logs).run(2)
    assert [trial.state for trial in study.trials()] == ["cancelled", "failed"]


@pytest.mark.parametrize("what", ["report", "update"])
def test_a_store_that_fails_ends_the_run_when_its_runner_sees_fit_and_then_the_search(
    journal, logs, monkeypatch, what
):
    study, heard = made(journal), []

    class Patient(Formula):
        def run(self, name, values, log, watch):
            def gone(*words):
                raise StudioError("the store is gone")

            with monkeypatch.context() as broken:
                broken.setattr(journal, what, gone)
                watch.started({"group": 2**22 - 1, "born": 0.0})
                heard.extend(watch.stop([(step, 0.5)]) for step in range(2))
            return Ended(-2, True, "")

    with pytest.raises(StudioError, match="the store is gone"):
        Search(study, Patient(), logs).run(1)
    assert heard == [True, True] and states(study) == {"cancelled": 1}


def test_hopeless_trials_are_pruned_from_their_reports_and_forgotten(journal, runner, logs):
    space = {"fit.x": {"low": 0.0, "high": 6.0}, "fit.seconds": 0.3, "fit.epochs": 20}
    study = made(journal, space=space, n_trials=12, seed=4, options={"pruner": "median"}, jobs=2)
    Search(study, runner, logs).run(2)
    found = states(study)
    assert set(found) == {"complete", "pruned"} and sum(found.values()) == 12
    for trial in study.trials():
        experiment = runner.folder / trial.notes["experiment"]
        if trial.state == "pruned":
            assert trial.scores == () and 5 <= len(trial.reports) <= 20 and not experiment.exists()
        else:
            assert len(trial.reports) == 20 and experiment.exists()
    completed = [trial.scores[0] for trial in study.trials() if trial.state == "complete"]
    pruned = [max(trial.reports.values()) for trial in study.trials() if trial.state == "pruned"]
    assert max(completed) > max(pruned)


@pytest.mark.parametrize("before", ["start", "middle"])
def test_cancelled_ends_all_within_seconds_and_leaves_no_process(
    store, project, runner, logs, before
):
    study = made(store, space={"fit.x": {"low": 0.0, "high": 6.0}, "fit.seconds": 60.0})
    found = Search(study, runner, logs)
    thread = threading.Thread(target=found.run, args=(2,))
    thread.start()
    if before == "middle":
        until(lambda: len(inside(runner.folder)) == 2)
    else:
        until(lambda: len(study.trials()) == 2)
    start = time.monotonic()
    found.cancelled.set()
    thread.join(30)
    # A Python that gets SIGINT while it starts may swallow it; SIGKILL comes after PATIENCE.
    assert not thread.is_alive() and time.monotonic() - start < process.PATIENCE + 10
    assert [trial.state for trial in study.trials()] == ["cancelled"] * 2
    assert inside(runner.folder) == []
    assert all(trial.scores == () for trial in study.trials())


def test_a_cancelled_study_goes_on_to_its_number_of_trials(store, logs):
    study, runner = made(store, n_trials=6), Formula()
    for _ in range(2):
        runner.wait.clear()
        found = Search(study, runner, logs)
        thread = threading.Thread(target=found.run, args=(2,))
        thread.start()
        until(lambda: states(study)["running"] == 2)
        found.cancelled.set()
        thread.join(10)
        runner.wait.set()
    Search(study, runner, logs).run(2)
    assert [trial.state for trial in study.trials()] == ["cancelled"] * 4 + ["complete"] * 2


def test_nothing_new_starts_after_the_time_is_up_but_what_runs_may_end(journal, logs):
    study = made(journal, n_trials=1000, timeout=0.5)

    class Slow(Formula):
        def run(self, name, values, log, watch):
            time.sleep(0.2)
            return super().run(name, values, log, watch)

    start = time.monotonic()
    Search(study, Slow(), logs).run(1)
    assert 0.5 < time.monotonic() - start < 3
    assert states(study) == {"complete": len(study.trials())} and 2 <= len(study.trials()) <= 3


def test_a_study_that_is_finished_runs_nothing(store, logs):
    study, runner = made(store, n_trials=3), Formula()
    Search(study, runner, logs).run(2)
    Search(study, runner, logs).run(2)
    assert len(runner.made) == 3 and states(study) == {"complete": 3}


def searching(store, project, parabola, folder):
    """A process that searches, two trials at a time."""

    def main():
        if isinstance(store, Journal):
            mine = Journal(store.folder)
        else:
            mine = OptunaStore(project.parent / "studies" / "studies.journal")
        runner = ProcessRunner(parabola, project)
        runner.folder = folder
        Search(Study(mine, "s"), runner, folder / "logs").run(2)
        os._exit(0)

    found = FORK.Process(target=main)
    found.start()
    return found


@pytest.mark.parametrize(
    "moments", [(0.0, 0.15, 0.4), pytest.param((0.3, 0.05, 0.6, 0.01), marks=pytest.mark.slow)]
)
def test_a_search_that_is_killed_loses_no_trial_and_repeats_none(
    store, project, parabola, tmp_path, moments
):
    space = {"fit.x": {"low": 0.0, "high": 6.0}, "fit.seconds": 0.2}
    total = 5 * len(moments)
    study, folder = made(store, space=space, n_trials=total), tmp_path / "runs"
    trials, left = [], set()
    for moment in moments:
        found = searching(store, project, parabola, folder)
        until(lambda: len(study.trials()) > len(trials))
        time.sleep(moment)
        found.kill()
        found.join()
        before, trials = trials, study.trials()
        assert numbers(study) == list(range(len(trials)))
        assert all(trials[trial.number] == trial for trial in before if trial.state != "running")
        left |= {trial.number for trial in trials if trial.state == "running"}
    assert len(left) >= len(moments)
    groups = [trial.notes["process"]["group"] for trial in trials if "process" in trial.notes]
    last = searching(store, project, parabola, folder)
    last.join(30)
    assert last.exitcode == 0
    trials = study.trials()
    assert numbers(study) == list(range(total))
    assert {trial.number for trial in trials if trial.state == "failed"} == left
    for trial in trials:
        if trial.state == "failed":
            assert trial.notes["tail"] == "the search was killed while this trial ran"
        else:
            assert trial.scores == (-((trial.values["fit.x"] - 3) ** 2),)
    drawn = [trial.values["fit.x"] for trial in trials if trial.values]
    assert len(set(drawn)) == len(drawn)
    assert inside(folder) == []
    for group in filter(psutil.pid_exists, groups):
        assert psutil.Process(group).status() == psutil.STATUS_ZOMBIE


def test_what_a_killed_search_left_running_is_ended(store, project, parabola, runner, tmp_path):
    space = {"fit.x": {"low": 0.0, "high": 6.0}, "fit.seconds": 60.0, "fit.epochs": 600}
    study, folder = made(store, space=space), tmp_path / "runs"
    found = searching(store, project, parabola, folder)
    until(lambda: sum(bool(trial.reports) for trial in study.trials()) == 2)
    found.kill()
    found.join()
    assert len(inside(folder)) == 2
    assert fail_stale(study, runner) == [0, 1]
    assert inside(folder) == [] and states(study) == {"failed": 2}


def test_two_searches_on_one_store_share_the_trials(store, project, parabola, tmp_path):
    study = made(store, n_trials=14)
    folders = [tmp_path / "a", tmp_path / "b"]
    both = [searching(store, project, parabola, folder) for folder in folders]
    for each in both:
        each.join(30)
        assert each.exitcode == 0
    assert states(study) == {"complete": 14} and numbers(study) == list(range(14))
    shares = [len(list((folder / "logs").glob("*.log"))) for folder in folders]
    assert sum(shares) == 14 and min(shares) > 0
    owners = Counter(trial.notes["owner"]["pid"] for trial in study.trials())
    assert sorted(owners.values()) == sorted(shares)


def test_trials_of_a_search_that_lives_are_not_stale(store, logs):
    study = made(store)
    for _ in range(3):
        store.begin("s", 6)
    mine = owner()
    store.update("s", 0, {"fit.x": 1.0}, {"owner": mine})
    store.update("s", 1, {"fit.x": 2.0}, {"owner": {**mine, "born": mine["born"] - 9}})
    runner = Formula()
    assert fail_stale(study, runner) == [1, 2]
    assert [trial.state for trial in study.trials()] == ["running", "failed", "failed"]
    assert runner.discarded == ["s-0001", "s-0002"]


def test_a_search_that_has_ended_and_is_not_waited_for_is_gone(store):
    study = made(store)
    store.begin("s", 6)
    ended = subprocess.Popen(["sleep", "60"])
    born = psutil.Process(ended.pid).create_time()
    note = {**owner(), "pid": ended.pid, "born": born}
    store.update("s", 0, {"fit.x": 1.0}, {"owner": note})
    assert fail_stale(study, Formula()) == []
    ended.kill()
    until(lambda: psutil.Process(ended.pid).status() == psutil.STATUS_ZOMBIE)
    assert fail_stale(study, Formula()) == [0]
    ended.wait()


def test_a_trial_that_another_search_begins_this_moment_is_not_stale(store, monkeypatch):
    monkeypatch.setattr(stale, "GRACE", 0.5)
    study = made(store)
    store.begin("s", 6)
    timer = threading.Timer(0.1, lambda: store.update("s", 0, {}, {"owner": owner()}))
    timer.start()
    assert fail_stale(study, Formula()) == []
    timer.join()


@pytest.mark.parametrize(("silent", "stale"), [(10.0, False), (10_000.0, True)])
def test_a_trial_of_another_host_is_stale_after_a_long_silence(store, silent, stale):
    study = made(store)
    store.begin("s", 6)
    store.update("s", 0, {}, {"owner": {**owner(), "host": "far", "seen": time.time() - silent}})
    assert bool(fail_stale(study, Formula())) is stale


def test_a_search_gives_signs_of_life(journal, logs, monkeypatch):
    monkeypatch.setattr(search, "HEARTBEAT", 0.02)
    seen, study = [], made(journal, n_trials=1)

    class Slow(Formula):
        def run(self, name, values, log, watch):
            for _ in range(3):
                time.sleep(0.03)
                watch.stop([])
                seen.append(study.trials()[0].notes["owner"]["seen"])
            return super().run(name, values, log, watch)

    Search(study, Slow(), logs).run(1)
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("keep", [1, 3, None])
def test_only_the_best_are_kept(journal, logs, keep):
    study, runner = made(journal, n_trials=10, keep=keep), Formula()
    Search(study, runner, logs).run(1)
    best = sorted(study.trials(), key=lambda trial: -trial.scores[0])
    kept = {f"s-{trial.number:04d}" for trial in (best[:keep] if keep else best)}
    assert set(runner.made) - set(runner.discarded) == kept


def test_the_whole_front_is_kept_with_several_objectives(journal, project, runner, logs):
    objectives = ["out.json:deep.score", "min:out.json:deep.x"]
    study = made(journal, objectives=objectives, n_trials=8, keep=1)
    Search(study, runner, logs).run(2)
    front = {f"s-{trial.number:04d}" for trial in study.engine().best()}
    assert {path.name for path in runner.folder.iterdir()} == front
    assert 0 < len(front) < 8


def test_what_makes_a_trial_cheaper_reaches_the_run_and_is_none_of_its_values(store, logs):
    study, runner = made(store, n_trials=4, search_epochs=2, subset_ratio=0.25), Formula()
    Search(study, runner, logs).run(1)
    for trial in study.trials():
        assert set(trial.values) == {"fit.x", "fit.y"}
        values = runner.made[f"s-{trial.number:04d}"]
        assert (values["fit.epochs"], values["fit.share"]) == (2, 0.25)
        assert {name: values[name] for name in trial.values} == trial.values


def test_fewer_epochs_are_fewer_reports_of_the_real_thing(journal, runner, logs):
    study = made(journal, n_trials=2, search_epochs=1)
    Search(study, runner, logs).run(1)
    assert [list(trial.reports) for trial in study.trials()] == [[0], [0]]


def test_a_new_study_takes_over_the_trials_inside_its_space(store, logs):
    earlier = made(store, "old", n_trials=12, seed=5)
    Search(earlier, Formula(), logs).run(1)
    space = {"fit.x": {"low": 2.0, "high": 9.0}, "fit.y": {"low": 0, "high": 3}}
    inside = [
        trial
        for trial in earlier.trials()
        if trial.values["fit.x"] >= 2.0 and trial.values["fit.y"] <= 3
    ]
    assert 0 < len(inside) < 12
    study = create(store, "new", settings(space=space, n_trials=14, seed=5), earlier)
    found = study.trials()
    assert [(t.values, t.scores, t.state) for t in found] == [
        (t.values, t.scores, "complete") for t in inside
    ]
    assert [t.notes["from"] for t in found] == [f"old/{t.number}" for t in inside]
    runner = Formula()
    Search(study, runner, logs).run(1)
    assert len(runner.made) == 14 - len(inside) and states(study) == {"complete": 14}
    assert study.trials()[: len(inside)] == found


def test_the_first_trial_tries_the_projects_own_values(store, logs):
    start = {"fit.x": 1.0, "fit.y": 2}
    study = made(store, start=start, n_trials=3)
    Search(study, Formula(), logs).run(1)
    first, *others = [trial.values for trial in study.trials()]
    assert first == start and start not in others


def test_the_projects_own_values_come_after_what_came_along_and_not_again(journal, logs):
    start = {"fit.x": 1.0, "fit.y": 2}
    earlier = made(journal, "old", start=start, n_trials=3)
    Search(earlier, Formula(), logs).run(1)
    again = create(journal, "again", settings(start=start, n_trials=6), earlier)
    other = create(journal, "other", settings(start={**start, "fit.y": 3}, n_trials=6), earlier)
    for study in (again, other):
        Search(study, Formula(), logs).run(2)
    assert [trial.values for trial in again.trials()].count(start) == 1
    assert other.trials()[3].values == {**start, "fit.y": 3}


def test_no_more_trials_are_taken_over_than_the_study_is_to_have(store, logs):
    earlier = made(store, "old", n_trials=6)
    Search(earlier, Formula(), logs).run(1)
    study = create(store, "new", settings(n_trials=4), earlier)
    assert states(study) == {"complete": 4}


def test_only_complete_trials_are_taken_over(store, logs):
    earlier = made(store, "old", space={"fit.x": [1.0, 2.0, 4.0]}, n_trials=12)
    runner = Formula()
    runner.fail = (2.0,)
    Search(earlier, runner, logs).run(1)
    good = [t.values for t in earlier.trials() if t.values["fit.x"] != 2.0]
    new = settings(space=earlier.settings.space, n_trials=20)
    assert [t.values for t in create(store, "new", new, earlier).trials()] == good


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"objectives": ["out.json:other"]}, "objectives .'out.json:deep.score'., not"),
        ({"search_epochs": 3}, "search_epochs 2, not 3"),
        ({"search_epochs": None}, "search_epochs 2, not None"),
        ({"subset_ratio": 0.5}, "subset_ratio None, not 0.5"),
    ],
)
def test_scores_that_say_nothing_here_are_not_taken_over(journal, change, reason):
    earlier = made(journal, "old", search_epochs=2)
    new = replace(earlier.settings, **change)
    with pytest.raises(StudioError, match=f"study 'old' cannot be compared: {reason}"):
        create(journal, "new", new, earlier)
    assert journal.names() == ["old"]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("old", {}, "there is a study 'old' already; take another name"),
        ("a b", {}, "'a b' is no name for a study"),
        ("../a", {}, "'../a' is no name for a study"),
        ("", {}, "'' is no name for a study"),
        ("-a", {}, "'-a' is no name for a study"),
        ("a..b", {}, "'a..b' is no name for a study"),
        ("a.", {}, "'a.' is no name for a study"),
        ("a\n", {}, "is no name for a study"),
        ("new", {"adapter": "none"}, "no adapter 'none'; known: .*parabola"),
        ("new", {"space": {"fit.x": {"low": 1}}}, "fit.x: high must be a number"),
        ("new", {"space": {}}, "there is nothing to search"),
        ("new", {"space": {"fit.x": 1, "fit.y": [2]}}, "there is nothing to search"),
        ("new", {"objectives": ["out.json"]}, "cannot read objective 'out.json'"),
        ("new", {"runner": "ssh"}, "no trial runner 'ssh'; known: dvc, process"),
        ("new", {"engine_used": "none"}, "no search engine 'none'; known: .*random"),
        ("new", {"options": {"pruner": "rose"}}, "no pruner 'rose'; known: "),
        (
            "new",
            {"options": {"pruner": "asha"}, "objectives": ["a:b", "min:a:c"]},
            "the pruner asha judges by one objective; there are several",
        ),
        (
            "new",
            {"engine": "random", "engine_used": "random", "options": {"pruner": "median"}},
            "the engine random does not prune; leave out --pruner median",
        ),
        (
            "new",
            {"runner": "dvc", "space": {"fit.mode": ["a", "b\\c"]}},
            r"fit.mode: DVC does not pass backslashes .* got 'b\\\\c'. Use --runner process",
        ),
        (
            "new",
            {"runner": "dvc", "space": {"fit.mode": ["a", "${seed}"]}},
            "fit.mode: DVC does not pass backslashes .* got '..seed.'. Use --runner process",
        ),
        (
            "new",
            {"space": {"fit.epochs": [1, 2]}, "search_epochs": 1},
            "fit.epochs is searched; .*search_epochs",
        ),
        (
            "new",
            {"space": {"fit.share": [0.1, 1]}, "subset_ratio": 0.1},
            "fit.share is searched; .*subset_ratio",
        ),
        (
            "new",
            {"space": {"seed": [1, 2]}},
            "seed would change nothing: .*heed fit.; use --runner dvc",
        ),
        ("new", {"n_trials": 0}, "n_trials must be at least 1; got 0"),
        ("new", {"jobs": -1}, "jobs must be at least 1; got -1"),
        ("new", {"search_epochs": 0}, "search_epochs must be at least 1; got 0"),
        ("new", {"keep": 0}, "keep must be at least 1; got 0"),
        ("new", {"subset_ratio": 0.0}, "subset_ratio is a share, above 0 and at most 1; got 0.0"),
        ("new", {"subset_ratio": 1.5}, "subset_ratio is a share, above 0 and at most 1; got 1.5"),
        ("new", {"subset_ratio": float("nan")}, "subset_ratio is a share"),
        ("new", {"timeout": 0}, "timeout must be above 0 s; got 0"),
    ],
)
def test_what_cannot_work_is_refused_before_the_study_is_there(journal, name, change, message):
    made(journal, "old")
    with pytest.raises(StudioError, match=message):
        create(journal, name, settings(**change))
    assert journal.names() == ["old"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("a-b_c.d", {}),
        (
            "0",
            {
                "n_trials": 1,
                "jobs": 1,
                "search_epochs": 1,
                "keep": 1,
                "subset_ratio": 1.0,
                "timeout": 0.1,
            },
        ),
        ("dvc", {"runner": "dvc", "space": {"seed": [1, 2]}}),
        ("text", {"space": {"fit.mode": ["a", "b\\c", "${seed}"]}}),
        ("fallback", {"engine_used": "random", "options": {"pruner": "median"}}),
        ("fixed", {"space": {"fit.x": [1.0, 2.0], "fit.epochs": 7}}),
    ],
)
def test_what_can_work_is_let_through(journal, name, change):
    asked = settings(**change)
    check(journal, name, asked)
    assert journal.names() == []


def test_a_study_whose_engine_is_gone_says_so_and_does_not_search_at_random(journal, logs):
    study = made(journal)
    study.settings = replace(study.settings, engine_used="gone")
    with pytest.raises(StudioError, match="no search engine 'gone'"):
        Search(study, Formula(), logs)
