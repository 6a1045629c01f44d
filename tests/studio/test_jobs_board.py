"""Jobs run in order, a few at a time, whoever starts them and however many servers there are."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from studio.errors import StudioError
from studio.jobs import board as boards
from studio.jobs.board import Board
from studio.jobs.folder import JobFolder
from studio.process import STORAGE, environment

from . import jobs
from .jobs import SLEEP, submit, until, wait

board, findable = jobs.board, jobs.findable


TURNS = """
import os, sys, time
with open("turns", "a") as file:
    print("+" + sys.argv[1], file=file, flush=True)
    time.sleep(0.4)
    print("-" + sys.argv[1], file=file, flush=True)
"""


def at_once(turns):
    """The most that ran at a time."""
    count, most = 0, 0
    for turn in turns:
        count += 1 if turn[0] == "+" else -1
        most = max(most, count)
    return most


def test_jobs_run_in_the_order_of_their_creation_one_at_a_time(board, project):
    numbers = [submit(board, TURNS, name) for name in "abc"]
    assert [job.id for job in board.live()] == numbers == sorted(numbers)
    wait(board, numbers[-1])
    assert (project / "turns").read_text().split() == ["+a", "-a", "+b", "-b", "+c", "-c"]


def test_as_many_run_at_a_time_as_the_limit_says(project):
    board = Board(project, limit=2)
    numbers = [submit(board, TURNS, name) for name in "abcd"]
    for number in numbers:
        assert wait(board, number).state == "done"
    turns = (project / "turns").read_text().split()
    assert at_once(turns) == 2 and sorted(turns[:2]) == ["+a", "+b"] and len(turns) == 8


def test_a_board_that_may_run_nothing_is_refused(project):
    with pytest.raises(StudioError, match="at least 1 job must be allowed to run; got 0"):
        Board(project, limit=0)


def test_newest_come_first_a_page_at_a_time(board):
    numbers = [submit(board, "") for _ in range(7)]
    assert numbers == sorted(set(numbers)) and board.count() == 7
    newest = numbers[::-1]
    assert [job.id for job in board.jobs()] == newest
    assert [job.id for job in board.jobs(limit=3)] == newest[:3]
    assert [job.id for job in board.jobs(5, 3)] == newest[5:]
    assert board.jobs(7, 3) == []


def test_jobs_of_one_moment_have_their_own_numbers_even_when_the_clock_goes_back(
    board, monkeypatch
):
    now = time.time()
    monkeypatch.setattr(boards.time, "time", lambda: now)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: submit(Board(board.project), ""), range(40)))
    assert len(set(found)) == board.count() == 40
    monkeypatch.setattr(boards.time, "time", lambda: 1.0)
    assert submit(board, "") > max(found)
    for job in board.live():
        board.cancel(job.id)


@pytest.mark.parametrize("kind, alone", [("run", True), ("study", True), ("stage", False)])
def test_of_jobs_of_one_name_that_are_asked_for_at_once_one_is_made(board, kind, alone):
    def ask(_):
        with suppress(StudioError):
            return Board(board.project).submit(kind, "Experiment a", ["true"], "a").id

    with ThreadPoolExecutor(8) as pool:
        found = [number for number in pool.map(ask, range(8)) if number]
    assert len(found) == board.count() == (1 if alone else 8)
    assert board.submit(kind, "Experiment b", ["true"], "b").state == "queued"
    for job in board.live():
        board.cancel(job.id)
    assert board.submit(kind, "Experiment a", ["true"], "a").state == "queued"


URL = "postgresql://me:geheim@host:5432/db?password=geheim"


def test_the_url_of_a_database_is_in_the_environment_of_its_job_and_nowhere_else(
    board, monkeypatch
):
    monkeypatch.delenv(STORAGE, raising=False)
    told = []
    starts = subprocess.Popen

    def start(words, **more):
        told.append((words, more["env"].get(STORAGE)))
        return starts(["true"])

    monkeypatch.setattr(boards.subprocess, "Popen", start)
    board = Board(board.project, 2, URL)
    number = board.submit("study", "Study s", ["true"], "s", storage=URL).id
    other = board.submit("study", "Study t", ["true"], "t").id
    board.tick()
    assert [(words[-1][-20:], url) for words, url in told] == [(number, URL), (other, None)]
    assert not any("geheim" in word for words, _ in told for word in words)
    files = [path for path in board.folder.rglob("*") if path.is_file()]
    assert len(files) >= 5 and not any("geheim" in path.read_text() for path in files)
    assert "geheim" not in str(board.jobs())
    assert JobFolder(board.folder / number).spec()["storage"] == "postgresql://host:5432/db"


@pytest.mark.parametrize(
    "number", ["", ".", "..", "../jobs", "/etc", "none", "20261122-223015-ab12", ".gitignore"]
)
def test_a_number_that_was_not_listed_is_no_job(board, number):
    submit(board, "")
    for ask in (board.job, board.cancel, board.log, board.log_tail):
        with pytest.raises(StudioError, match="no job '"):
            ask(number)


def test_a_folder_beside_the_jobs_is_none_of_them(board, project):
    assert board.jobs() == [] == board.live() and board.count() == 0
    number = submit(board, "")
    (board.folder / "notes").mkdir()
    (board.folder / f"{number}.old").mkdir()
    assert [job.id for job in board.jobs()] == [number]


def test_a_repository_that_knows_nothing_of_the_studio_stays_clean(board, project):
    subprocess.run(["git", "init", "-q"], cwd=project, check=True)
    submit(board, "")
    words = ["git", "status", "--short", "-uall"]
    found = subprocess.run(words, cwd=project, check=True, capture_output=True, text=True)
    assert ".studio" not in found.stdout and "params.yaml" in found.stdout


def test_a_queued_job_is_cancelled_at_once_and_never_runs(board, project):
    first, second, third = (submit(board, TURNS, name) for name in "abc")
    job = board.cancel(second)
    assert (job.state, job.started, job.cancelling) == ("cancelled", None, False) and job.ended
    wait(board, third)
    assert (project / "turns").read_text().split() == ["+a", "-a", "+c", "-c"]
    assert [job.state for job in board.jobs()] == ["done", "cancelled", "done"]


def test_a_job_that_has_ended_cannot_be_cancelled(board):
    for text, state in (("", "done"), ("raise SystemExit(2)", "failed")):
        number = submit(board, text)
        wait(board, number)
        with pytest.raises(StudioError, match=f"job {number} has ended; it is {state}"):
            board.cancel(number)
        assert board.job(number).state == state


def test_a_supervisor_that_cannot_start_fails_the_job_with_its_reason(board, tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no such interpreter\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(broken))
    job = wait(board, submit(board, SLEEP))
    assert (job.state, job.error) == ("failed", "no such interpreter\n") and board.live() == []


def test_a_job_that_is_slow_to_start_is_started_once(board, tmp_path, monkeypatch):
    slow = tmp_path / "python"
    slow.write_text(f"#!/bin/sh\necho start\nsleep 1\nexec {sys.executable} $*\n")
    slow.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(slow))
    job = wait(board, submit(board, "print('end')"))
    assert job.state == "done" and board.log(job.id)[0] == "start\nend\n"


SERVER = """
import sys, time
from pathlib import Path
from studio.jobs.board import Board
board = Board(Path(sys.argv[1]))
while True:
    board.tick()
    time.sleep(0.05)
"""


def test_a_job_outlives_the_server_and_the_next_one_sees_its_end(board, project):
    text = """
import pathlib, time
print("up", flush=True)
while not pathlib.Path("go").exists():
    time.sleep(0.02)
print("end")
"""
    number, waiting = submit(board, text), submit(board, "print('second')")
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(project)], env=environment(), start_new_session=True
    )
    try:
        until(lambda: "up" in board.log(number)[0])
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    assert board.job(number).state == "running" and board.job(waiting).state == "queued"
    after = Board(project)
    after.tick()
    assert after.job(number).state == "running"
    (project / "go").touch()
    assert wait(after, number).state == "done" and after.log(number)[0] == "up\nend\n"
    assert wait(after, waiting).state == "done"


def test_two_boards_start_no_job_twice_and_keep_the_limit(project):
    first, second = Board(project, limit=2), Board(project, limit=2)
    numbers = [submit(first if name in "ace" else second, TURNS, name) for name in "abcdef"]
    stop = threading.Event()
    threads = [threading.Thread(target=each.run_forever, args=(stop,)) for each in (first, second)]
    for thread in threads:
        thread.start()
    until(lambda: not first.live())
    stop.set()
    for thread in threads:
        thread.join()
    turns = (project / "turns").read_text().split()
    assert sorted(turns) == sorted([sign + name for name in "abcdef" for sign in "+-"])
    assert at_once(turns) <= 2
    assert {job.state for job in second.jobs()} == {"done"} and second.count() == len(numbers)


@pytest.mark.parametrize("name", ["state.json", "spec.json"])
def test_a_job_that_cannot_be_read_holds_no_other_up(board, name):
    number, waiting = submit(board, SLEEP), submit(board, "print('next')")
    (board.folder / number / name).write_text("")
    assert [job.id for job in board.live()] == [waiting]
    assert [job.state for job in board.jobs()] == ["queued", "lost"]
    with pytest.raises(StudioError, match=f"job {number} has ended; it is lost"):
        board.cancel(number)
    assert wait(board, waiting).state == "done" and board.log_tail(number) == ""


def test_a_job_that_can_be_read_again_goes_on(board):
    number = submit(board, "print('next')")
    path = board.folder / number / "state.json"
    text = path.read_text()
    path.write_text("")
    board.tick()
    assert board.live() == []
    path.write_text(text)
    assert wait(board, number).state == "done"


@pytest.mark.parametrize("error", [OSError, ValueError, KeyError, StudioError])
def test_a_board_goes_on_after_an_error(board, monkeypatch, caplog, error):
    monkeypatch.setattr(boards, "PERIOD", 0.01)
    ticks, stop, passed_on = [], threading.Event(), board.tick

    def tick():
        ticks.append(len(ticks))
        if len(ticks) == 1:
            raise error("no space left")
        passed_on()
        stop.set()

    monkeypatch.setattr(board, "tick", tick)
    board.run_forever(stop)
    assert ticks == [0, 1] and "no space left" in caplog.text
