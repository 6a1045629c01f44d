"""What the tests of the jobs share."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from studio.jobs.board import Board
from studio.jobs.endings import marked
from studio.jobs.folder import JobFolder

ROOT = Path(__file__).parents[2]
SLEEP = "print('up', flush=True); import time; time.sleep(100)"


def importable(folder=None):
    """A path on which the programs that jobs start find what the tests find."""
    return os.pathsep.join(str(each) for each in (folder or ROOT, ROOT, *sys.path) if each)


def plugged(place):
    """That path, with the tiny model's adapter, as an installed package would bring it."""
    folder = place / "plugins" / "parabola-1.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: parabola\nVersion: 1\n")
    entry = "[studio.adapters]\nparabola = tests.studio.conftest:Parabola\n"
    (folder / "entry_points.txt").write_text(entry)
    return importable(folder.parent)


def until(condition, seconds=60.0):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def wait(board, number, *states, seconds=60.0):
    """Tick until the job is in one of the states, or over; the job."""

    def there():
        board.tick()
        job = board.job(number)
        return job.state in states or job.state not in ("queued", "running")

    until(there, seconds)
    return board.job(number)


def seen(board, number, text):
    """Tick until the job has printed that."""

    def printed():
        board.tick()
        return text in board.log(number)[0]

    until(printed)


def processes(board, number):
    """What the job has started and still runs, in whatever group."""
    return marked(str(board.folder / number))


def supervisor(board, number):
    """The number of the process that watches over a job, 0 before."""
    noted = JobFolder(board.folder / number).state()["supervisor"]
    return noted["pid"] if noted else 0


def gone(number):
    """Whether a process has ended, waited for or not."""
    try:
        return psutil.Process(number).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(autouse=True)
def findable(monkeypatch):
    """For all tests of a file."""
    monkeypatch.setenv("PYTHONPATH", importable())


@pytest.fixture
def board(project):
    """Of a project, whose jobs are ended with the test."""
    made = Board(project)
    yield made
    for job in made.live():
        made.cancel(job.id)
    until(lambda: made.tick() or not made.live())


def python(text, *words):
    return ["python", "-c", text, *map(str, words)]


def submit(board, text, *words, **about):
    """The number of a new job: a Python program."""
    return board.submit("other", "Try it", python(text, *words), **about).id
