"""Processes: progress is read whole, and nothing is left running, whatever ended it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio import process
from studio.errors import StudioError
from studio.process import Progress, kill_left, run

from . import conftest, jobs


class Seen:
    """A watch that remembers what it was told, and ends the command when `wanted` is there."""

    def __init__(self, wanted=None):
        self.wanted, self.groups, self.reports, self.since = wanted, [], [], time.monotonic()

    def started(self, group):
        self.groups.append(group)

    def stop(self, news):
        self.reports += news
        assert time.monotonic() < self.since + 60
        return self.wanted is not None and self.wanted.exists()


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short waits: the programs of these tests are tiny."""
    monkeypatch.setattr(process, "POLL", 0.02)
    monkeypatch.setattr(process, "PATIENCE", 0.4)


def python(text, *words):
    return ["python", "-c", text, *map(str, words)]


def ran(folder, text, *words, watch=None):
    return run(python(text, *words), folder / "log", watch or Seen(), cwd=folder)


def running(pids):
    """Those that are still there, zombies apart."""
    return [pid for pid in pids if not jobs.gone(pid)]


def test_a_signal_that_another_thread_has_taken_is_noticed_by_the_one_that_waits(tmp_path):
    text = """
import signal, threading, time
from concurrent.futures import ThreadPoolExecutor
from studio.process import until_done
end = threading.Event()
def work():
    time.sleep(1)  # by now the main thread waits
    signal.pthread_kill(threading.get_ident(), signal.SIGINT)
    end.wait(20)
with ThreadPoolExecutor(1) as pool:
    try:
        until_done([pool.submit(work)])
    except KeyboardInterrupt:
        print("noticed", flush=True)
    end.set()
"""
    start = time.monotonic()
    ended = ran(tmp_path, text)
    assert (ended.status, ended.tail) == (0, "noticed\n") and time.monotonic() - start < 15


def test_waiting_ends_with_the_first_error():
    with ThreadPoolExecutor(2) as pool:
        end = threading.Event()
        long, wrong = pool.submit(end.wait, 20), pool.submit(int, "none")
        process.until_done([long, wrong])
        assert wrong.done() and not long.done()
        end.set()
        process.until_done([long])
        assert long.result()


def gone(pids):
    """Whether they end: what was killed needs a moment."""
    until = time.monotonic() + 5
    while running(pids) and time.monotonic() < until:
        time.sleep(0.02)
    return not running(pids)


REPORT = st.tuples(st.integers(0, 10**6), st.floats(allow_nan=False, allow_infinity=False))


@given(st.lists(st.tuples(REPORT, st.integers(1, 50)), max_size=8), st.booleans())
def test_reports_come_once_in_order_and_whole_however_the_file_grows(steps, cut):
    written = b"".join(
        json.dumps({"step": step, "score": score}).encode() + b"\n" for (step, score), _ in steps
    )
    written = written[:-1] if cut else written
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "progress"
        progress, found = Progress(path), []
        assert progress.news() == []
        for _, size in steps:
            with path.open("ab") as file:
                file.write(written[:size])
            written = written[size:]
            found += progress.news()
        with path.open("ab") as file:
            file.write(written)
        found += progress.news()
        whole = [report for report, _ in steps]
        assert found == (whole[:-1] if cut else whole)
        if cut and steps:
            with path.open("ab") as file:
                file.write(b"\n")
            assert progress.news() == whole[-1:]
        assert progress.news() == []


@pytest.mark.parametrize(
    "line",
    [b"", b"epoch 3", b"{", b"[1, 2]", b"null", b'{"step": 1}', b'{"step": "x", "score": 1}']
    + [b'{"step": 1, "score": null}', b'{"step": Infinity, "score": 1}', b"\xff\xfe", b'"step"'],
)
def test_a_line_that_is_no_report_is_passed_over(tmp_path, line):
    path = tmp_path / "progress"
    progress = Progress(path)
    path.write_bytes(line + b'\n{"step": 2, "score": 0.5, "loss": 7}\n')
    assert progress.news() == [(2, 0.5)]


def test_what_is_reported_arrives_on_the_way_and_at_the_very_end(tmp_path):
    watch = Seen()
    text = """
import json, os, pathlib, sys, time
with open(os.environ["STUDIO_PROGRESS"], "a") as file:
    print(json.dumps({"step": 0, "score": 0.5}), file=file, flush=True)
    while not pathlib.Path("seen").exists():
        time.sleep(0.01)
    print(json.dumps({"step": 1, "score": 0.75}), file=file)
"""
    passed_on = watch.stop

    def stop(news):
        if news:
            (tmp_path / "seen").touch()
        return passed_on(news)

    watch.stop = stop
    ended = ran(tmp_path, text, watch=watch)
    assert (ended.status, ended.stopped, watch.reports) == (0, False, [(0, 0.5), (1, 0.75)])


@pytest.mark.parametrize("status", [0, 3])
def test_the_status_is_that_of_the_program(tmp_path, status):
    ended = ran(tmp_path, f"raise SystemExit({status})")
    assert (ended.status, ended.stopped) == (status, False)


def test_both_outputs_go_to_the_end_of_the_log_and_the_last_of_it_is_told(tmp_path):
    log = tmp_path / "log"
    log.write_text("before\n")
    ended = ran(tmp_path, "import sys; print('out', flush=True); print('err', file=sys.stderr)")
    assert log.read_text() == ended.tail == "before\nout\nerr\n"
    ended = ran(tmp_path, "print('ä' * 5000, end='#')")
    assert ended.tail.endswith("ä" * 1999 + "#") and 1999 <= ended.tail.count("ä") <= 2000
    assert len(log.read_bytes()) == len("before\nout\nerr\n") + 10001


def test_a_program_finds_those_of_our_environment_first_and_nothing_to_read(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setenv("KEPT", "yes")
    text = """
import json, os, sys
place = os.environ["STUDIO_PROGRESS"]
print(json.dumps({
    "program": sys.executable, "path": os.environ["PATH"], "kept": os.environ["KEPT"],
    "read": sys.stdin.read(), "progress": place,
    "writable": os.access(os.path.dirname(place), os.W_OK),
}))
"""
    found = [json.loads(ran(tmp_path, text).tail.splitlines()[-1]) for _ in range(2)]
    beside = str(Path(sys.executable).parent)
    assert all(each["path"] == f"{beside}:/nowhere" for each in found)
    assert all(Path(each["program"]).parent == Path(beside) for each in found)
    assert all(
        (each["kept"], each["read"], each["writable"]) == ("yes", "", True) for each in found
    )
    assert not any(Path(each["progress"]).exists() for each in found)


def test_a_watcher_that_is_killed_leaves_what_was_reported_beside_the_log_and_nothing_elsewhere(
    tmp_path,
):
    script = (
        "import sys; from pathlib import Path; from studio import process;"
        "watch = type('W', (), {'started': lambda *_: None, 'stop': lambda *_: False})();"
        "process.run([sys.executable, '-c', sys.argv[1]], Path('own/log'), watch)"
    )
    text = "import os, time; open(os.environ['STUDIO_PROGRESS'], 'w').write('{}\\n');"
    command = [sys.executable, "-c", script, text + "print('up', flush=True); time.sleep(100)"]
    (tmp_path / "own").mkdir()
    (tmp_path / "tmp").mkdir()
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path / "tmp")}
    watcher = subprocess.Popen(command, cwd=tmp_path, env=env)
    try:
        conftest.until(lambda: (log := tmp_path / "own" / "log").exists() and log.read_text())
        [group] = [each.pid for each in psutil.Process(watcher.pid).children()]
    finally:
        watcher.kill()
        watcher.wait()
    os.killpg(group, signal.SIGKILL)
    assert [*(tmp_path / "tmp").iterdir()] == []
    assert {path.name for path in (tmp_path / "own").iterdir()} == {"log", "log.progress"}
    watch = Seen()
    run(python("pass"), tmp_path / "own" / "log", watch)
    assert watch.reports == [] and {path.name for path in (tmp_path / "own").iterdir()} == {"log"}


def test_a_program_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StudioError, match="cannot run no-such-program: .*No such file"):
        run(["no-such-program"], tmp_path / "log", Seen())


FAMILY = """
import os, pathlib, signal, subprocess, sys, time
child = '''
import os, pathlib, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
pathlib.Path(f"pid-{os.getpid()}").touch()
time.sleep(100)
'''
for depth in range(2):
    subprocess.Popen([sys.executable, "-c", child])
shell = subprocess.Popen(["sh", "-c", f"{sys.executable} -c '{child}'; :"])
while len(list(pathlib.Path(".").glob("pid-*"))) < 3:
    time.sleep(0.01)
pathlib.Path("ready").touch()
if "leave" not in sys.argv:
    time.sleep(100)
"""
"""Three that ignore SIGINT, one of them a grandchild behind a shell."""


@contextmanager
def family(folder):
    """The numbers of the three, once there; killed at the end whatever the test finds."""
    pids = []
    try:
        yield pids
    finally:
        pids[:] = [int(path.name[4:]) for path in folder.glob("pid-*")]
        left = running(pids)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert len(pids) == 3 and not left


def test_a_stop_ends_the_whole_group_and_those_who_ignore_it(tmp_path):
    with family(tmp_path):
        ended = ran(tmp_path, FAMILY, watch=Seen(tmp_path / "ready"))
    assert ended.stopped and ended.status == -signal.SIGINT


def test_a_program_that_ends_leaves_none_of_those_it_started(tmp_path):
    with family(tmp_path):
        ended = ran(tmp_path, FAMILY, "leave")
    assert not ended.stopped and ended.status == 0


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
def test_an_error_of_who_watches_ends_the_group_too(tmp_path, error):
    class Broken(Seen):
        def stop(self, news):
            if super().stop(news):
                raise error
            return False

    with family(tmp_path), pytest.raises(error):
        ran(tmp_path, FAMILY, watch=Broken(tmp_path / "ready"))


def test_a_stop_is_sigint_first_so_that_a_program_can_tidy_up_and_report(tmp_path):
    text = """
import os, pathlib, time
try:
    pathlib.Path("ready").touch()
    time.sleep(100)
except KeyboardInterrupt:
    time.sleep(0.2)
    pathlib.Path(os.environ["STUDIO_PROGRESS"]).write_text('{"step": 9, "score": 0.5}\\n')
    raise SystemExit(7)
"""
    watch = Seen(tmp_path / "ready")
    ended = ran(tmp_path, text, watch=watch)
    assert (ended.status, ended.stopped, watch.reports) == (7, True, [(9, 0.5)])


def test_what_a_program_that_ignores_sigint_starts_heeds_it(tmp_path):
    script = (
        "import signal; from pathlib import Path; from studio import process;"
        "signal.signal(signal.SIGINT, signal.SIG_IGN); process.heeded_by_children();"
        "watch = type('W', (), {'started': lambda *_: None, 'stop': lambda *_: True})();"
        "print(process.run(['sleep', '60'], Path('log'), watch).status)"
    )
    command = [sys.executable, "-c", script]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == (f"{-signal.SIGINT}\n", "")


def test_the_group_is_told_as_soon_as_it_is_there(tmp_path):
    watch = Seen()
    ended = ran(tmp_path, "import os; print(os.getpid(), os.getpgid(0), os.getsid(0))", watch=watch)
    [group] = watch.groups
    assert ended.tail.split() == [str(group["group"])] * 3
    assert 0 <= time.time() - group["born"] < 60


@pytest.fixture
def left(tmp_path):
    """A group of its own whose watcher is gone, with a grandchild, as it was told once."""
    text = FAMILY.replace("    time.sleep(100)\n", "    signal.pause()\n")
    first = subprocess.Popen(
        [sys.executable, "-c", text],
        cwd=tmp_path,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not (tmp_path / "ready").exists():
            assert first.poll() is None
            time.sleep(0.01)
        yield {"group": first.pid, "born": psutil.Process(first.pid).create_time()}
    finally:
        for path in tmp_path.glob("pid-*"):
            if running([int(path.name[4:])]):
                os.kill(int(path.name[4:]), signal.SIGKILL)
        first.kill()
        first.wait()


def members(folder, group):
    return [group["group"], *(int(path.name[4:]) for path in folder.glob("pid-*"))]


def test_what_a_killed_watcher_left_is_ended_with_all_it_started(tmp_path, left):
    kill_left(json.loads(json.dumps(left)))
    assert gone(members(tmp_path, left))


def test_another_group_that_has_the_number_now_is_left_alone(tmp_path, left):
    kill_left({**left, "born": left["born"] - 100})
    time.sleep(0.2)
    assert len(running(members(tmp_path, left))) == 4


def test_a_group_that_is_gone_is_no_problem():
    done = subprocess.Popen([sys.executable, "-c", ""], start_new_session=True)
    group = {"group": done.pid, "born": psutil.Process(done.pid).create_time()}
    done.wait()
    kill_left(group)
