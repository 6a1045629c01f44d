"""What watches over a job: it ends it when asked to, and whatever is killed, nothing is left."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time

import psutil
import pytest

from studio import process
from studio.creation import create
from studio.errors import StudioError
from studio.jobs import endings
from studio.jobs.board import Board
from studio.jobs.endings import Once, end_marked, ending_of, marked
from studio.jobs.folder import JobFolder
from studio.jobs.kinds import study_job
from studio.jobs.supervise import Supervisor
from studio.optuna_store import OptunaStore
from studio.process import MARK, STORAGE, run
from studio.runners import dvc
from studio.runners.dvc import DvcRunner

from . import jobs
from .conftest import settings
from .jobs import SLEEP, gone, plugged, processes, python, seen, submit, supervisor, until, wait
from .test_dvc_runner import note

pytestmark = pytest.mark.slow
board, findable = jobs.board, jobs.findable


def test_a_job_runs_in_the_project_and_shows_how_it_went(board, project):
    text = """
import json, os
print(os.getcwd(), "ü")
for step in range(3):
    with open(os.environ["STUDIO_PROGRESS"], "a") as file:
        print(json.dumps({"step": step, "score": step / 4}), file=file)
"""
    number = submit(board, text, steps=3)
    queued = board.job(number)
    assert (queued.state, queued.title, queued.command) == ("queued", "Try it", tuple(python(text)))
    job = wait(board, number)
    assert (job.state, job.status, job.error) == ("done", 0, ""), job
    assert (job.progress.step, job.progress.steps, job.progress.score) == (2, 3, 0.5)
    assert job.progress.text == f"{project} ü"
    assert board.log(number) == (f"{project} ü\n", len(f"{project} ü\n".encode()))
    assert job.created <= job.started <= job.ended and job.started.endswith("+00:00")
    assert board.live() == [] and processes(board, number) == []


def test_a_job_that_fails_says_why_with_the_end_of_its_log(board):
    job = wait(board, submit(board, "import sys; print('x' * 9000); sys.exit('a reason')"))
    assert (job.state, job.status) == ("failed", 1)
    assert job.error.endswith("a reason\n") and len(job.error) == 4000
    job = wait(board, board.submit("other", "Try it", ["no-such-program"]).id)
    assert (job.state, job.status) == ("failed", None)
    assert "cannot run no-such-program" in job.error


def test_what_is_printed_is_in_the_log_before_the_job_ends(board, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    number = submit(board, "print('one line'); import time; time.sleep(100)")
    seen(board, number, "one line\n")
    assert board.job(number).progress.text == "one line"
    assert "one line" in board.log_tail(number)


def test_the_files_are_what_others_read(board):
    number = submit(board, "raise SystemExit(3)", subject="fit", steps=2)
    wait(board, number)
    folder = board.folder / number
    spec, state = (json.loads((folder / f"{name}.json").read_text()) for name in ("spec", "state"))
    assert spec == {
        "kind": "other",
        "subject": "fit",
        "title": "Try it",
        "command": python("raise SystemExit(3)"),
        "steps": 2,
        "created": board.job(number).created,
    }
    assert (state["state"], state["status"]) == ("failed", 3)
    assert {"pid", "born"} == set(state["supervisor"]) and {"group", "born"} == set(
        state["process"]
    )


def test_a_running_job_is_ended_by_sigint_soon_and_asking_twice_changes_nothing(board):
    number = submit(board, SLEEP)
    seen(board, number, "up")
    assert processes(board, number)
    start = time.monotonic()
    assert board.cancel(number).cancelling and board.cancel(number).cancelling
    until(lambda: not processes(board, number))
    assert time.monotonic() - start < process.PATIENCE / 2  # not by SIGKILL, even if all is slow
    job = wait(board, number)
    assert (job.state, job.status, job.cancelling) == ("cancelled", -signal.SIGINT, False)
    with pytest.raises(StudioError, match=f"job {number} has ended; it is cancelled"):
        board.cancel(number)


def test_a_job_that_is_cancelled_while_it_starts_ends_and_leaves_nothing(board, project):
    for delay in (0.0, 0.05, 0.1, 0.15, 0.2, 0.3):
        number = submit(board, SLEEP)
        board.tick()
        time.sleep(delay)
        board.cancel(number)
        assert wait(board, number).state == "cancelled"
        assert processes(board, number) == []


def test_a_job_that_is_to_end_before_its_supervisor_has_begun_never_runs(board):
    number = submit(board, SLEEP)
    JobFolder(board.folder / number).ask_to_end()
    job = wait(board, number)
    assert (job.state, job.started, job.cancelling) == ("cancelled", None, False)
    assert board.log(number) == ("", 0)


def test_a_command_that_ends_well_though_it_was_cancelled_is_done(board):
    text = "import time\ntry:\n    " + SLEEP + "\nexcept KeyboardInterrupt:\n    print('kept')"
    number = submit(board, text)
    seen(board, number, "up")
    board.cancel(number)
    job = wait(board, number)
    assert (job.state, job.status, job.progress.text) == ("done", 0, "kept")


def test_sigint_ends_a_job_even_where_the_server_was_told_to_ignore_it(board):
    # as a shell does for what it starts in the background
    text = (
        "import time\ntry:\n    " + SLEEP + "\nexcept KeyboardInterrupt:\n    raise SystemExit(7)"
    )
    former = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        number = submit(board, text)
        seen(board, number, "up")
    finally:
        signal.signal(signal.SIGINT, former)
    board.cancel(number)
    job = wait(board, number)
    assert (job.state, job.status) == ("cancelled", 7)


FAMILY = """
import subprocess, sys, time
for own in (False, True):
    subprocess.Popen([sys.executable, "-c", sys.argv[1]], start_new_session=own)
time.sleep(0.5)
print("family", flush=True)
time.sleep(100)
"""
"""One in the group, another in a session of its own."""


def test_a_job_that_is_cancelled_leaves_none_of_those_it_started_in_whatever_group(board):
    number = submit(board, FAMILY, SLEEP)
    seen(board, number, "family")
    assert len(processes(board, number)) == 3
    board.cancel(number)
    assert wait(board, number).state == "cancelled"
    assert processes(board, number) == []


def test_a_job_whose_supervisor_is_told_to_end_is_cancelled(board):
    number = submit(board, SLEEP)
    seen(board, number, "up")
    os.kill(supervisor(board, number), signal.SIGTERM)
    assert wait(board, number).state == "cancelled"
    assert processes(board, number) == []


def test_a_job_whose_supervisor_was_killed_is_lost_and_leaves_nothing(board):
    number = submit(board, FAMILY, SLEEP)
    waiting = submit(board, "print('next')")
    seen(board, number, "family")
    left = processes(board, number)
    assert len(left) == 3
    os.kill(supervisor(board, number), signal.SIGKILL)
    until(lambda: gone(supervisor(board, number)))
    assert board.cancel(number).state == "running" and len(processes(board, number)) == 3
    job = wait(board, number)
    assert (job.state, job.status) == ("lost", None) and job.ended
    assert "what it had left running was ended" in job.error
    assert not any(each.is_running() and each.status() != "zombie" for each in left)
    assert wait(board, waiting).state == "done"
    with pytest.raises(StudioError, match="has ended; it is lost"):
        board.cancel(number)


def test_a_supervisor_that_nobody_has_waited_for_is_no_supervisor(board, project):
    number = submit(board, SLEEP)
    seen(board, number, "up")
    os.kill(supervisor(board, number), signal.SIGKILL)
    until(lambda: gone(supervisor(board, number)))
    assert psutil.pid_exists(supervisor(board, number)), "its parent is this process"
    assert wait(Board(project), number).state == "lost"


def test_a_supervisor_that_is_killed_before_it_noted_its_command_leaves_nothing_either(board):
    number = submit(board, SLEEP)
    seen(board, number, "up")
    os.kill(supervisor(board, number), signal.SIGKILL)
    until(lambda: gone(supervisor(board, number)))
    folder = JobFolder(board.folder / number)
    folder.change(process=None)
    assert wait(board, number).state == "lost"
    assert processes(board, number) == []


def test_another_process_that_has_the_number_of_the_supervisor_now_does_not_keep_a_job(board):
    number = submit(board, SLEEP)
    folder = JobFolder(board.folder / number)
    me = psutil.Process()
    folder.change(state="running", supervisor={"pid": me.pid, "born": me.create_time() - 100})
    assert wait(board, number).state == "lost"


class Asking:
    """A watch that asks for the end as soon as a file is there, again and again."""

    def __init__(self, wanted):
        self.wanted, self.groups = wanted, []

    def started(self, group):
        self.groups.append(group)

    def stop(self, news):
        return self.wanted.exists()


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(process, "POLL", 0.02)
    monkeypatch.setattr(process, "PATIENCE", 0.3)


OWN = """
import pathlib, time
try:
    pathlib.Path("up").touch()
    time.sleep(100)
except KeyboardInterrupt:
    time.sleep(1)
    raise SystemExit(7)
"""


def test_a_program_that_ends_its_own_is_told_once_and_given_the_time(tmp_path, quick):
    watch = Asking(tmp_path / "up")
    ended = run(python(OWN), tmp_path / "log", Once(watch), cwd=tmp_path)
    assert (ended.status, ended.stopped, len(watch.groups)) == (7, False, 1), ended.tail


def test_a_program_that_does_not_end_its_own_is_killed_in_the_end(tmp_path, quick, monkeypatch):
    monkeypatch.setattr(endings, "PATIENCE", 0.5)
    text = "import pathlib, signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    text += "pathlib.Path('up').touch(); time.sleep(100)"
    start = time.monotonic()
    ended = run(python(text), tmp_path / "log", Once(Asking(tmp_path / "up")), cwd=tmp_path)
    assert ended.status == -signal.SIGKILL and 0.5 < time.monotonic() - start < 10


def test_such_a_program_is_given_the_time_by_who_finds_it_without_a_supervisor_too(
    project, quick, monkeypatch, capsys
):
    monkeypatch.chdir(project)
    monkeypatch.setattr(signal, "signal", lambda *handler: None)
    board = Board(project)
    folder = JobFolder(board.folder / board.submit("study", "Study s", python(OWN), "s").id)
    left = subprocess.Popen(python(OWN), cwd=project, start_new_session=True)
    until((project / "up").exists)
    group = {"group": left.pid, "born": psutil.Process(left.pid).create_time()}
    folder.change(state="running", process=group)
    Supervisor(folder).run()
    assert (left.wait(), folder.state()["state"]) == (7, "lost")
    assert "could not tidy up: no study 's'" in capsys.readouterr().err


def test_a_run_is_not_ended_before_dvc_has_begun_it(project):
    watch = ending_of({"kind": "run", "subject": "a"}, project).watch(Asking(project))
    assert not watch.stop([])
    note(project, "b", "tmp1", "standalone/run")
    assert not watch.stop([])
    note(project, "a", "tmp2", "standalone/run")
    assert watch.stop([])


@pytest.fixture
def waiting(board, project):
    """A run that waits for its turn, which another one has."""
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    (project / ".studio").mkdir()
    turn = (project / ".studio" / "dvc.turn").open("ab")
    fcntl.flock(turn, fcntl.LOCK_EX)
    number = board.submit("run", "Experiment a", python("print('up')"), "a").id
    until(lambda: board.tick() or board.job(number).state == "running")
    time.sleep(0.5)
    yield number
    turn.close()


@pytest.mark.parametrize("told", ["cancel", "terminate"])
def test_a_run_that_waits_for_its_turn_is_cancelled_soon_and_never_starts(board, waiting, told):
    assert board.job(waiting).state == "running"
    start = time.monotonic()
    if told == "cancel":
        board.cancel(waiting)
    else:
        os.kill(supervisor(board, waiting), signal.SIGTERM)
    job = wait(board, waiting)
    assert time.monotonic() - start < 2
    assert (job.state, job.status, board.log(waiting)) == ("cancelled", None, ("", 0))
    assert list((board.project / ".studio" / "names").iterdir()) == []


def test_a_run_that_waited_and_was_lost_is_over_at_once(board, waiting):
    os.kill(supervisor(board, waiting), signal.SIGKILL)
    until(lambda: gone(supervisor(board, waiting)))
    start = time.monotonic()
    assert wait(board, waiting).state == "lost" and time.monotonic() - start < 10


def test_a_run_of_a_name_that_another_process_holds_fails_and_says_why(board, project):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    with DvcRunner(project).held("a"):
        job = wait(board, board.submit("run", "Experiment a", python("print('up')"), "a").id)
    assert (job.state, board.log(job.id)) == ("failed", ("", 0))
    assert "there is an experiment 'a' already, or one is being made" in job.error


def test_a_study_in_a_database_is_run_by_a_job_that_shows_nothing_of_its_url(
    project, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", plugged(tmp_path))
    url = f"sqlite:///{tmp_path}/studies.db?timeout=31337"
    board = Board(project, storage=url)
    create(OptunaStore(url), "s", settings(n_trials=2))
    job = wait(board, board.submit(*study_job(OptunaStore(url), "s", url)).id)
    assert job.state == "done", board.log_tail(job.id)
    states = [trial.state for trial in OptunaStore(url).trials("s")]
    assert states == ["complete", "complete"]
    files = [path for path in (project / ".studio").rglob("*") if path.is_file()]
    assert len(files) > 4 and not any(b"31337" in path.read_bytes() for path in files)
    assert "31337" not in str(board.job(job.id))


def test_a_job_of_a_database_whose_url_nobody_knows_any_more_fails_and_says_so(
    board, project, monkeypatch
):
    monkeypatch.delenv(STORAGE, raising=False)
    words = ("study", "Study s", python("print('up')"), "s", 1)
    number = board.submit(*words, "postgresql://me:geheim@host/db").id
    job = wait(Board(project), number)
    assert (job.state, board.log(number)) == ("failed", ("", 0))
    assert "the studies are in postgresql://host:/db; tell `studio serve` the URL by " in job.error


def test_a_job_that_is_for_the_files_is_told_of_no_database(board, monkeypatch):
    monkeypatch.setenv(STORAGE, "postgresql://me:geheim@host/db")
    text = "import os; print(repr(os.environ['STUDIO_STORAGE']))"
    number = board.submit("promote", "Promote", python(text), "s").id
    assert wait(board, number).state == "done" and board.log(number)[0].startswith("''\n")


def test_there_is_more_time_than_a_trial_takes_to_end():
    # DVC's start, SIGINT and SIGKILL of it, what DVC is about to write
    assert endings.PATIENCE > dvc.START + 2 * process.PATIENCE + dvc.GRACE


def test_a_full_disk_ends_no_command(project, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left on device")

    monkeypatch.chdir(project)
    monkeypatch.setattr(signal, "signal", lambda *handler: None)
    board = Board(project)
    folder = JobFolder(board.folder / submit(board, ""))
    watch = Supervisor(folder)
    monkeypatch.setattr(JobFolder, "change", full)
    monkeypatch.setattr(JobFolder, "report", full)
    watch.started({"group": 1, "born": 1.0})
    assert not watch.stop([(1, 0.5)])
    folder.ask_to_end()
    assert watch.stop([(2, 0.5)])


def test_what_a_job_has_started_is_ended_even_where_it_ignores_sigint(tmp_path, quick):
    text = "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN);" + SLEEP
    found = []
    try:
        for mark in ("one", "one", "other"):
            found.append(
                subprocess.Popen(
                    [sys.executable, "-c", text],
                    env={**os.environ, MARK: mark},
                    stdout=subprocess.PIPE,
                    start_new_session=True,
                )
            )
            assert found[-1].stdout.readline() == b"up\n"
        assert len(marked("one")) == 2
        end_marked("one")
        assert [each.poll() for each in found] == [-signal.SIGKILL, -signal.SIGKILL, None]
        assert marked("one") == [] and len(marked("other")) == 1
    finally:
        for each in found:
            each.kill()
            each.communicate()
