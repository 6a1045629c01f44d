"""Trials as DVC experiments: exact values in, and nothing left of a run that was stopped."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
import signal
import string
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext, suppress
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from studio import adapters, cli
from studio.creation import create
from studio.errors import StudioError
from studio.journal import Journal
from studio.process import Ended, environment
from studio.promotion import Patient, promote
from studio.runners import dvc
from studio.runners.dvc import DvcRunner, Outside, plain
from studio.runners.locks import Names, Turn
from studio.search import Search
from studio.stale import fail_stale
from studio.study import Study
from studio.trials import Trial

from . import conftest, jobs
from .conftest import FIT, PARAMS, inside, settings

slow = pytest.mark.slow
until = partial(conftest.until, seconds=60.0)
DVC_YAML = """
stages:
  fit:
    cmd: python fit.py
    deps: [fit.py]
    params: [fit, seed]
    metrics:
      - out.json: {cache: false}
"""


def call(folder, *words):
    done = subprocess.run(words, cwd=folder, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def committed(tmp_path_factory):
    """The parabola as the one stage of a repository; tests take copies."""
    folder = tmp_path_factory.mktemp("committed") / "project"
    folder.mkdir()
    # DVC writes 1e-05 without a point, which PyYAML takes for a text
    (folder / "fit.py").write_text(FIT.replace('params["x"]', 'float(params["x"])'))
    (folder / "params.yaml").write_text(PARAMS)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    call(folder, "git", "init", "-q", "-b", "main")
    call(folder, "git", "config", "user.name", "test")
    call(folder, "git", "config", "user.email", "test@example.com")
    call(folder, "dvc", "init", "-q")
    call(folder, "dvc", "config", "core.analytics", "false")
    call(folder, "dvc", "config", "core.check_update", "false")
    (folder / ".gitignore").write_text("/.studio/\n")
    call(folder, "git", "add", "-A")
    call(folder, "git", "commit", "-qm", "made")
    return folder


@pytest.fixture
def project(committed, tmp_path):
    folder = tmp_path / "project"
    shutil.copytree(committed, folder)
    return folder


@pytest.fixture
def runner(project):
    return DvcRunner(project)


@pytest.fixture
def log(tmp_path):
    return tmp_path / "log"


class Stopping(Patient):
    """Ends a run at its first report, or at once."""

    def __init__(self, at_once=False):
        self.at_once, self.reports, self.group = at_once, [], None

    def started(self, group):
        self.group = group

    def stop(self, news):
        self.reports += news
        return self.at_once or bool(self.reports)


def experiments(project):
    refs = call(project, "git", "for-each-ref", "--format=%(refname)", "refs/exps").split()
    return sorted(ref.removeprefix("refs/exps/") for ref in refs)


def names(project):
    """Without what DVC itself keeps there."""
    return [ref.split("/")[2] for ref in experiments(project) if re.match("[0-9a-f]{2}/", ref)]


def left(project):
    """What DVC leaves of runs: folders, notes of the preparation and of the run, a torn lock."""
    runs = project / ".dvc" / "tmp" / "exps"
    found = [*runs.glob("standalone/tmp*"), *runs.glob("run/*/*"), *runs.glob("standalone/run/*/*")]
    lock = runs / "rwlock"
    torn = [lock] if lock.exists() and not lock.read_text().startswith("{") else []
    return [str(path.relative_to(runs)) for path in found + torn]


def listed(project, word="running"):
    """Whether `dvc exp show` says so of anything."""
    return word in call(project, "dvc", "exp", "show", "--json", "--force").lower()


def change(project, line="seed: 77"):
    """What a user has not committed."""
    path = project / "params.yaml"
    path.write_text(path.read_text().replace("seed: 0", line))
    return call(project, "git", "diff"), call(project, "git", "status", "--short", "--branch")


def unchanged(project, before):
    assert not call(project, "git", "stash", "list")
    return before == (
        call(project, "git", "diff"),
        call(project, "git", "status", "--short", "--branch"),
    )


def test_values_arrive_to_the_last_digit_and_the_working_tree_stays(runner, project, log):
    before = change(project)
    values = {
        "fit.x": 1e-05,
        "fit.y": 0.1 + 0.2,
        "fit.mode": 'the "1, a": ü = 2',
        "fit.share": 1.7976931348623157e308,
        "fit.epochs": 2,
    }
    ended = runner.run("a", values, log, Patient())
    assert (ended.status, ended.stopped) == (0, False), ended.tail
    found = yaml.safe_load(runner.read("a", "params.yaml"))
    assert {name: type(value)(found["fit"][name[4:]]) for name, value in values.items()} == values
    assert found["seed"] == 77
    metrics = json.loads(runner.read("a", "out.json"))["deep"]
    score = -((1e-05 - 3) ** 2) - (0.1 + 0.2 - 2) ** 2
    assert metrics == {"score": score, "x": 1e-05}
    assert unchanged(project, before)
    assert (left(project), names(project)) == ([], ["a"])
    with pytest.raises(FileNotFoundError, match="experiment a has no none.json"):
        runner.read("a", "none.json")
    runner.discard("a")
    assert names(project) == [] and not runner.exists("a")
    with pytest.raises(FileNotFoundError, match="there is no experiment a"):
        runner.read("a", "out.json")
    runner.discard("a")


TEXT = st.text(
    string.ascii_letters + string.digits + " .,:;=!?%&()[]{}<>'\"/+-*#@^~|_üñ", max_size=9
)


@given(
    st.one_of(
        st.booleans(), st.none(), st.integers(), TEXT, st.sampled_from(["true", "null", "1e-5"])
    )
    | st.floats(allow_nan=False, allow_infinity=False)
)
def test_dvc_reads_a_value_of_any_type_as_it_is(value):
    from dvc.utils.hydra import to_hydra_overrides

    [override] = to_hydra_overrides([f"fit.x={plain(value)}"])
    found = override.value()
    assert (type(found), repr(found)) == (type(value), repr(value))
    assert not override.is_sweep_override()


def test_an_experiment_is_known_by_its_whole_name_on_any_commit(runner, project):
    commit = call(project, "git", "rev-parse", "HEAD").strip()
    for ref in ("ab/cdef/s-0001", "12/3456/other"):
        call(project, "git", "update-ref", f"refs/exps/{ref}", commit)
    assert runner.exists("s-0001") and runner.exists("other")
    assert not any(map(runner.exists, ("0001", "s-000", "s-00010", "s")))
    assert runner.read("s-0001", "params.yaml") == PARAMS
    runner.discard("0001")
    runner.discard("s-0001")
    assert names(project) == ["other"]


def test_without_git_it_says_what_is_missing(tmp_path):
    with pytest.raises(StudioError, match="is no git repository; DVC experiments need one"):
        DvcRunner(tmp_path).exists("a")


def queue(project, *names):
    """Runs that DVC has queued and not begun."""
    for name in names:
        tree = call(project, "git", "write-tree").strip()
        commit = call(project, "git", "commit-tree", tree, "-m", name).strip()
        message = f"commit: dvc-exp:{commit}:{commit}:{name}"
        words = ("update-ref", "--create-reflog", "-m", message, "refs/exps/stash", commit)
        call(project, "git", *words)


def queued(project):
    if "stash" not in experiments(project):
        return []
    lines = call(project, "git", "reflog", "--format=%gs", "refs/exps/stash").splitlines()
    return [line.rpartition(":")[2] for line in lines]


def test_a_run_that_was_never_begun_leaves_the_queue_and_no_other_does(runner, project):
    queue(project, "a", "b", "xa", "a", "c", "a")
    runner.tidy("none")
    assert queued(project) == ["a", "c", "a", "xa", "b", "a"]
    runner.tidy("a")
    assert queued(project) == ["c", "xa", "b"]
    for name in ("c", "b", "xa"):
        runner.tidy(name)
    assert experiments(project) == []


def note(project, name, folder, kind="run", status=2):
    """What DVC notes of a run."""
    runs = project / ".dvc" / "tmp" / "exps"
    path = runs / kind / f"rev-{name}" / f"rev-{name}.run"
    path.parent.mkdir(parents=True)
    root = runs / "standalone" / folder
    root.mkdir(parents=True, exist_ok=True)
    (root / "file").touch()
    path.write_text(json.dumps({"name": name, "root_dir": str(root), "status": status}))
    return path


def test_the_folder_and_the_notes_of_a_run_go_and_those_of_others_stay(runner, project):
    for name, folder in (("a", "tmp1"), ("b", "tmp2")):
        note(project, name, folder)
        note(project, name, folder, "standalone/run")
    runner.tidy("a")
    assert sorted(left(project)) == [
        "run/rev-b/rev-b.run",
        "standalone/run/rev-b/rev-b.run",
        "standalone/tmp2",
    ]
    runner.tidy("a")
    runner.discard("b")
    assert left(project) == []


def test_what_was_half_written_goes_after_a_while_and_what_gets_whole_stays(
    runner, project, monkeypatch
):
    monkeypatch.setattr(dvc, "GRACE", 0.3)
    runs = project / ".dvc" / "tmp" / "exps"
    torn = note(project, "torn", "tmp0")
    torn.write_text('{"name": "to')
    (runs / "standalone" / "tmp1").mkdir()
    (runs / "standalone" / "tmp2").mkdir()
    (runs / "rwlock").write_text("")
    (runs.parent / "rwlock").write_text("{}")
    timer = threading.Timer(0.1, note, (project, "late", "tmp2"))
    timer.start()
    runner.tidy("a")
    timer.join()
    assert sorted(path.name for path in (runs / "standalone").glob("tmp*")) == ["tmp2"]
    assert not (runs / "rwlock").exists() and (runs.parent / "rwlock").read_text() == "{}"


def test_a_stop_waits_until_dvc_has_left_the_working_tree_but_not_for_ever(
    runner, project, monkeypatch
):
    turn = Turn(project / "turn", Patient())
    outside = Outside(runner, "a", Stopping(at_once=True), turn)
    assert not outside.stop([])
    note(project, "a", "tmp1", status=1)
    note(project, "b", "tmp2", "standalone/run")
    note(project, "aa", "tmp3", "standalone/run")
    note(project, "a", "tmp1", "standalone/run", status=1)
    assert not outside.stop([])
    note_ = project / ".dvc/tmp/exps/standalone/run/rev-a/rev-a.run"
    note_.write_text(note_.read_text().replace('"status": 1', '"status": 2'))
    assert not turn.file.closed
    assert outside.stop([]) and turn.file.closed
    assert not Outside(runner, "a", Patient(), turn).stop([])
    monkeypatch.setattr(dvc, "START", -1.0)
    assert Outside(runner, "none", Stopping(at_once=True), turn).stop([])


def test_a_run_starts_once_dvc_has_begun_the_one_before(runner, project, log, monkeypatch):
    asked, ends = [], threading.Event()

    def run(command, log, watch, cwd):
        asked.append(watch.name)
        while not ends.wait(0.01):
            watch.stop([])
        return Ended(0, False, "")

    monkeypatch.setattr(dvc, "run", run)
    with ThreadPoolExecutor(2) as pool:
        try:
            pool.submit(runner.run, "a", {}, log, Patient())
            until(lambda: asked == ["a"])
            second = pool.submit(DvcRunner(project).run, "b", {}, log, Patient())
            time.sleep(0.3)
            assert asked == ["a"]
            note(project, "a", "tmp1", "standalone/run")
            until(lambda: asked == ["a", "b"])
        finally:
            ends.set()
    assert second.result() == Ended(0, False, "")


def test_a_run_that_is_stopped_while_it_waits_for_its_turn_never_starts(
    runner, project, log, monkeypatch
):
    monkeypatch.setattr(dvc, "run", lambda *_, **__: pytest.fail("it started"))
    (project / ".studio").mkdir()
    first = Turn(project / ".studio" / "dvc.turn", Patient())
    watch = Patient()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(runner.run, "a", {}, log, watch)
        time.sleep(0.3)
        assert not waiting.done()
        watch.cancelled.set()
        assert waiting.result(2) == Ended(-signal.SIGINT, True, "")
    first.over()
    assert Turn(project / ".studio" / "dvc.turn", watch).mine


def test_a_name_is_held_by_one_at_a_time_and_looking_at_it_changes_nothing(tmp_path):
    one, other = Names(tmp_path / "names"), Names(tmp_path / "names")
    with one.held("a") as mine, one.held("a") as again:
        assert mine and again and other.taken("a") and not other.taken("b")
        with other.held("a") as theirs, other.held("b") as free:
            assert (theirs, free) == (False, True)
        assert other.taken("a") and not other.taken("b")
    with other.held("a") as mine:
        assert mine and one.taken("a")
    assert not one.taken("a") and list((tmp_path / "names").iterdir()) == []


def test_a_name_is_free_again_once_who_held_it_is_killed(tmp_path):
    text = "import sys, time; from pathlib import Path; from studio.runners.locks import Names;"
    text += "held = Names(Path('names')).held('a'); print(held.__enter__(), flush=True);"
    env = {**environment(), "PYTHONPATH": jobs.importable()}
    words = [sys.executable, "-c", text + "time.sleep(100)"]
    holder = subprocess.Popen(words, cwd=tmp_path, env=env, stdout=subprocess.PIPE)
    names = Names(tmp_path / "names")
    try:
        assert holder.stdout.readline() == b"True\n" and names.taken("a")
    finally:
        holder.kill()
        holder.communicate()
    assert not names.taken("a")
    with names.held("a") as mine:
        assert mine
    assert list((tmp_path / "names").iterdir()) == []


def test_of_many_who_want_a_name_at_once_one_at_a_time_has_it(tmp_path):
    having, most = [], []

    def want(number):
        names = Names(tmp_path / "names")
        for _ in range(50):
            names.taken("a")
            with names.held("a") as mine:
                if mine:
                    having.append(number)
                    most.append(len(having))
                    having.remove(number)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(want, range(8)))
    assert set(most) == {1}


def traces(project, name):
    """Those that DVC leaves of a run: a place in the queue, notes, a folder."""
    queue(project, name)
    note(project, name, f"tmp-{name}")
    note(project, name, f"tmp-{name}", "standalone/run")
    commit = call(project, "git", "rev-parse", "HEAD").strip()
    call(project, "git", "update-ref", f"refs/exps/ab/cdef/{name}", commit)
    return sorted(left(project)), experiments(project), queued(project)


def untouched(runner, project, log, before):
    """Whether a run that another process makes stays, whatever is done by its name."""
    runner.tidy("a")
    runner.discard("a")
    ended = runner.run("a", {}, log, Patient())
    assert (ended.status, ended.stopped) == (1, False) and "'a'" in ended.tail
    assert runner.taken("a")
    return (sorted(left(project)), experiments(project), queued(project)) == before


def test_a_run_whose_name_another_process_holds_is_left_alone(runner, project, log):
    before = traces(project, "a")
    with DvcRunner(project).held("a"):
        assert untouched(runner, project, log, before)
    runner.discard("a")
    assert (left(project), experiments(project)) == ([], []) and not runner.taken("a")


@pytest.mark.parametrize(
    "words, place",
    [
        (["exp", "run", "--temp", "-n", "a"], "."),
        (["--wait-for-lock", "experiments", "run", "--name=a"], "."),
        (["exp", "run", "-na"], ".dvc"),
        (["queue"], ".dvc/tmp/exps/standalone/tmp-a"),
    ],
)
def test_a_run_of_the_users_own_that_goes_on_is_left_alone(runner, project, log, words, place):
    before = traces(project, "a")
    command = [sys.executable, "-c", "import time; time.sleep(100)", *words]
    theirs = subprocess.Popen(command, cwd=project / place)
    try:
        until(lambda: Path(psutil.Process(theirs.pid).cwd()) == (project / place).resolve())
        assert untouched(runner, project, log, before)
        assert not runner.taken("b") and not runner.taken("queue")
    finally:
        theirs.kill()
        theirs.wait()
    runner.discard("a")
    assert (left(project), experiments(project)) == ([], []) and not runner.taken("a")


def test_promotions_beside_one_another_have_names_of_their_own(project, tmp_path, monkeypatch):
    started, ends = [], threading.Event()

    def run(command, log, watch, cwd):
        started.append(command[command.index("-n") + 1])
        while not ends.wait(0.01):
            watch.stop([])
        return Ended(3, False, "")

    monkeypatch.setattr(dvc, "run", run)
    study = create(Journal(tmp_path / "studies"), "s", settings(runner="dvc"))
    trial = Trial(0, {}, "complete", (1.0,))
    with ThreadPoolExecutor(2) as pool:
        try:
            for count, name in enumerate(("s-best", "s-best-2")):
                pool.submit(promote, study, trial, DvcRunner(project), tmp_path / "logs")
                until(lambda: len(started) == count + 1)
                note(project, name, f"tmp-{name}", "standalone/run")
                assert started[-1] == name
        finally:
            ends.set()
    assert left(project) == []


def test_notes_that_go_while_they_are_read_are_none(runner, project, monkeypatch):
    for name in "ab":
        note(project, name, f"tmp-{name}", "standalone/run")
    runs = project / ".dvc" / "tmp" / "exps" / "standalone" / "run"
    scandir = os.scandir

    def gone(place):
        with scandir(place) as there:
            found = list(there)
        if isinstance(place, str | Path) and Path(place) == runs and (runs / "rev-b").exists():
            (runs / "rev-b" / "rev-b.run").unlink()
            (runs / "rev-b").rmdir()
        return nullcontext(iter(found))

    monkeypatch.setattr(os, "scandir", gone)
    assert not runner.traces.begun("c")


@slow
def test_a_run_that_fails_tells_why_and_leaves_nothing(runner, project, log):
    before = change(project)
    ended = runner.run("a", {"fit.mode": "fail"}, log, Patient())
    assert ended.status != 0 and not ended.stopped and "a reason" in ended.tail
    assert unchanged(project, before)
    assert (left(project), experiments(project)) == ([], []) and not listed(project)
    ended = runner.run("a", {"fit.none": 1}, log, Patient())
    assert ended.status != 0 and "Invalid `--set-param` value" in ended.tail
    assert unchanged(project, before) and (left(project), experiments(project)) == ([], [])


@slow
def test_a_run_that_is_stopped_leaves_nothing_and_an_equal_one_runs_in_full(runner, project, log):
    before, values = change(project), {"fit.x": 2.0, "fit.seconds": 2.0, "fit.epochs": 8}
    for _ in range(2):
        watch = Stopping()
        ended = runner.run("a", values, log, watch)
        assert ended.stopped and ended.status and 1 <= len(watch.reports) < 8
        assert inside(project) == []
        assert unchanged(project, before) and (left(project), experiments(project)) == ([], [])
    assert not listed(project)
    assert not list(project.glob(".dvc/cache/runs/**/*"))
    log.unlink()
    ended = runner.run("a", values, log, Patient())
    assert ended.status == 0 and "cached" not in ended.tail and names(project) == ["a"]
    assert json.loads(runner.read("a", "out.json"))["deep"]["score"] == -1.0


@slow
def test_a_stop_while_dvc_starts_leaves_nothing_and_the_changes_of_the_user(runner, project, log):
    before = change(project)
    start = time.monotonic()
    ended = runner.run("a", {"fit.seconds": 60.0, "fit.epochs": 600}, log, Stopping(at_once=True))
    assert ended.stopped and time.monotonic() - start < 30
    assert inside(project) == [] and unchanged(project, before)
    assert (left(project), experiments(project)) == ([], [])
    ended = runner.run("b", {"fit.x": 2.0}, log, Patient())
    assert ended.status == 0 and names(project) == ["b"] and not listed(project)


@slow
def test_what_dvc_leaves_when_it_is_killed_is_tidied_up(runner, project, log):
    class Killing(Stopping):
        def stop(self, news):
            if super().stop(news) and inside(project):
                os.killpg(self.group["group"], signal.SIGKILL)
            return False

    kept = runner.tidy
    runner.tidy = lambda name: None
    ended = runner.run("a", {"fit.seconds": 60.0, "fit.epochs": 600}, log, Killing())
    assert ended.status == -signal.SIGKILL
    assert left(project) and listed(project), "DVC tidies up itself now: tidy() can go"
    kept("a")
    assert left(project) == [] and not listed(project)


@slow
def test_a_search_that_is_killed_leaves_nothing_once_it_is_started_again(project, tmp_path):
    store = Journal(tmp_path / "studies")
    space = {"fit.x": {"low": 0.0, "high": 6.0}, "fit.seconds": 60.0, "fit.epochs": 600}
    study = create(store, "s", settings(space=space, runner="dvc", n_trials=1))
    search = Search(study, DvcRunner(project), tmp_path / "logs")
    found = multiprocessing.get_context("fork").Process(target=search.run, args=(1,))
    found.start()
    until(lambda: study.trials() and study.trials()[0].reports)
    found.kill()
    found.join()
    assert inside(project) and left(project)
    assert fail_stale(study, DvcRunner(project)) == [0]
    assert [trial.state for trial in study.trials()] == ["failed"]
    assert inside(project) == [] and not listed(project)
    assert (left(project), experiments(project)) == ([], [])


def fits(folder):
    """Whether the model is being fitted in a folder; processes come and go meanwhile."""
    for number in inside(folder):
        with suppress(psutil.NoSuchProcess):
            if "fit.py" in psutil.Process(number).cmdline():
                return True
    return False


@slow
def test_a_trial_runs_beside_a_run_in_the_working_tree(runner, project, log):
    words = ["dvc", "exp", "run", "-n", "user", "-S", "fit.seconds=12.0", "-S", "fit.x=1.5"]
    user = subprocess.Popen(words, cwd=project, env=environment(), stdout=subprocess.DEVNULL)
    until(lambda: fits(project))
    with ThreadPoolExecutor(1) as pool:
        trial = pool.submit(runner.run, "a", {"fit.x": 2.5, "fit.seconds": 1.0}, log, Patient())
        until(lambda: runner.traces.begun("a"))
        shown = json.loads(call(project, "dvc", "exp", "show", "--json", "--force"))
        assert user.poll() is None and [row["rev"] for row in shown][0] == "workspace"
        ended = trial.result()
    assert ended.status == 0, ended.tail
    assert user.wait(60) == 0
    assert {"a", "user"} <= set(names(project))
    assert json.loads(runner.read("a", "out.json"))["deep"]["x"] == 2.5
    assert json.loads(runner.read("user", "out.json"))["deep"]["x"] == 1.5
    assert json.loads((project / "out.json").read_text())["deep"]["x"] == 1.5
    assert not list(project.glob(".dvc/tmp/exps/standalone/tmp*")) and not listed(project)


def answer(capsys, *words):
    cli.main(["study", *words, "--json"])
    return json.loads(capsys.readouterr().out)


@slow
def test_a_study_keeps_its_best_and_promotes_it_with_full_epochs(
    project, monkeypatch, capsys, runner
):
    monkeypatch.chdir(project)
    monkeypatch.setattr(adapters, "entry_points", lambda **group: ())
    head = call(project, "git", "rev-parse", "HEAD").strip()
    asked = "--n-trials 4 --jobs 2 --search-epochs 1 --subset-ratio 0.5 --keep 1 --seed 2".split()
    assert answer(capsys, "create", "s", *asked)["baseline"] == head
    stand = answer(capsys, "run", "s")
    assert stand["states"]["complete"] == 4, stand
    [best] = answer(capsys, "best", "s")
    experiment = f"s-{best['number']:04d}"
    assert names(project) == [experiment] and left(project) == []
    trial = yaml.safe_load(runner.read(experiment, "params.yaml"))["fit"]
    assert (trial["epochs"], trial["share"]) == (1, 0.5)

    promoted = answer(capsys, "promote", "s", "--apply")
    assert promoted == {"experiment": "s-best", "trial": best["number"], "scores": best["scores"]}
    full = yaml.safe_load(runner.read("s-best", "params.yaml"))["fit"]
    assert (full["epochs"], full["share"]) == (3, 1.0)
    assert {f"fit.{name}": full[name] for name in "xy"} == best["values"]
    assert yaml.safe_load((project / "params.yaml").read_text())["fit"] == full
    call(project, "git", "checkout", "-q", "params.yaml")
    call(project, "git", "clean", "-qfd")

    again = answer(capsys, "promote", "s", "--trial", str(best["number"]))
    assert again["experiment"] == "s-best-2" and again["scores"] == best["scores"]
    assert runner.read("s-best-2", "params.yaml") == runner.read("s-best", "params.yaml")
    assert answer(capsys, "status", "s")["promoted"] == {
        "trial": best["number"],
        "experiment": "s-best-2",
    }
    assert sorted(names(project)) == sorted([experiment, "s-best", "s-best-2"])
    assert call(project, "git", "status", "--short") == ""


@slow
@pytest.mark.parametrize("after", [0.3, 1.0, 3.0])
def test_a_promotion_that_is_interrupted_leaves_nothing(project, runner, tmp_path, after):
    before = change(project)
    study = create(Journal(tmp_path / "studies"), "s", settings(runner="dvc"))
    trial = Trial(0, {"fit.seconds": 60.0}, "complete", (1.0,))
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        promote(study, trial, runner, tmp_path / "logs")
    assert inside(project) == [] and unchanged(project, before)
    assert (left(project), experiments(project)) == ([], [])


@slow
def test_a_promotion_that_fails_says_why(project, runner, tmp_path):
    study = create(Journal(tmp_path / "studies"), "s", settings(runner="dvc"))
    trial = Trial(0, {"fit.mode": "fail"}, "complete", (1.0,))
    with pytest.raises(StudioError, match="(?s)experiment s-best failed; .*a reason"):
        promote(study, trial, runner, tmp_path / "logs")
    assert (left(project), experiments(project)) == ([], [])
    assert "promoted" not in Study(study.store, "s").notes
