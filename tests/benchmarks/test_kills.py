"""The proof by kills, on a small program that stands in for the training."""

from __future__ import annotations

import fcntl
import hashlib
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import kills
from benchmarks.kills import Stage, differences, interrupted, moments, proven

# It counts to 5 in a file; a test adds what happens at step 3 of one of its starts.
COUNTING = """
import fcntl, os, shutil, signal, subprocess, sys, time
from pathlib import Path
with open("starts", "a+") as starts:
    start = starts.write(".") and starts.tell()
state = Path(os.environ["AGCH_CHECKPOINTS"], "key", "state")
state.parent.mkdir(parents=True, exist_ok=True)
done = len(state.read_text()) if state.exists() else 0
if done:
    print(f"continuing after step {done}, as if nothing had been")
for step in range(done, 5):
    if step == 3 and start == INTERRUPTED:
        AT_STEP_3
    part = state.with_name("state.part")
    part.write_text("." * (step + 1))
    part.replace(state)
Path("models").mkdir(exist_ok=True)
Path("models/total").write_text(TOTAL)
shutil.rmtree(state.parent)
"""
WAIT = "Path('ready').touch(); time.sleep(60)"
FIVE = {"models/total": hashlib.sha256(b".....").hexdigest()}
RESUMED = "continued after step 3, as if nothing had been"


def counting(
    place: Path, at_step_3: str = "pass", start: int = 1, total: str = "state.read_text()"
) -> Stage:
    """The program, and an empty folder for it to run in."""
    code = COUNTING.replace("AT_STEP_3", at_step_3).replace("INTERRUPTED", str(start))
    script = place / "counting.py"
    script.write_text(code.replace("TOTAL", total))
    (place / "folder").mkdir()
    return Stage([sys.executable, "-u", str(script)], place / "folder")


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Time starts when the program touches `ready`, or ends."""
    start = Stage._start

    def started(stage: Stage) -> subprocess.Popen[bytes]:
        process = start(stage)
        while not (stage.folder / "ready").exists() and process.poll() is None:
            time.sleep(0.005)
        return process

    monkeypatch.setattr(Stage, "_start", started)


def test_what_differs_is_missing_or_is_left_over_is_named() -> None:
    assert differences({"a": "1", "b": "2"}, {"a": "1", "b": "2"}) == []
    assert differences({"a": "1", "b": "2", "c": "3"}, {"a": "1", "b": "0", "d": "4"}) == [
        "b differs",
        "c is missing",
        "d is left over",
    ]


@pytest.mark.parametrize("name", [".checkpoints/key", "models/agch.pt.part"])
def test_unfinished_work_is_left_over_even_if_the_unbroken_run_leaves_it_too(name: str) -> None:
    assert differences({name: ""}, {name: ""}) == [f"{name} is left over"]


def test_written_are_the_files_and_folders_of_the_outputs(tmp_path: Path) -> None:
    stage = Stage([], tmp_path)
    for name in ("models/a/b", "metrics/c", ".checkpoints/key/d", "data/e"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_text(".....")
    digest = FIVE["models/total"]
    assert stage.written() == {
        ".checkpoints/key": "",
        ".checkpoints/key/d": digest,
        "metrics/c": digest,
        "models/a": "",
        "models/a/b": digest,
    }
    stage.clear()
    assert stage.written() == {}
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@given(st.integers(0), st.integers(1, 50), st.floats(1e-3, 1e6))
def test_the_moments_lie_within_a_run_and_follow_from_the_seed(
    seed: int, times: int, seconds: float
) -> None:
    drawn = moments(seed, times, seconds)
    assert len(drawn) == times
    assert all(0 < moment < seconds for moment in drawn)
    assert moments(seed, times, seconds) == drawn
    assert moments(seed + 1, times, seconds) != drawn


@pytest.mark.usefixtures("ready")
def test_a_killed_program_that_continues_ends_in_the_same_bytes(tmp_path: Path) -> None:
    stage = counting(tmp_path, WAIT)
    assert interrupted(stage, 0.01, "KILL") == (RESUMED, [])
    assert stage.written() == FIVE


@pytest.mark.usefixtures("ready")
def test_a_program_killed_before_its_first_checkpoint_starts_again(tmp_path: Path) -> None:
    stage = counting(tmp_path, f"shutil.rmtree(state.parent); {WAIT}")
    assert interrupted(stage, 0.01, "KILL") == ("started again", [])
    assert stage.written() == FIVE


@pytest.mark.usefixtures("ready")
@pytest.mark.timeout(20)
def test_nothing_of_the_killed_process_group_lives_on(tmp_path: Path) -> None:
    child = "[sys.executable, '-c', 'import time; time.sleep(60)']"
    lock = "lock = open('lock', 'w'); fcntl.flock(lock, fcntl.LOCK_EX)"
    fork = f"subprocess.Popen({child}, pass_fds=[lock.fileno()])"
    stage = counting(tmp_path, f"{lock}; {fork}; {WAIT}")
    stage.run(0.01)
    with (stage.folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # waits for all who hold it


def test_a_program_that_ends_before_the_kill_is_not_started_again(tmp_path: Path) -> None:
    stage = counting(tmp_path)
    assert interrupted(stage, 60.0, "KILL") == ("ended before the kill", [])
    assert stage.written() == FIVE
    assert (stage.folder / "starts").read_text() == "."


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize("name", ["TERM", "INT"])
def test_how_long_a_signal_took_to_end_the_program_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(kills, "SECONDS_TO_END", 60.0)
    leave = f"signal.signal(signal.SIG{name}, lambda *_: sys.exit(1))"
    stage = counting(tmp_path, f"print('counting'); {leave}; {WAIT}")
    how, wrong = interrupted(stage, 0.01, name)
    assert re.fullmatch(rf"ended \d+\.\d\d s after {name}, {RESUMED}", how)
    assert wrong == []
    assert stage.written() == FIVE


@pytest.mark.usefixtures("ready")
def test_a_signal_that_is_ignored_beyond_the_limit_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "SECONDS_TO_END", 0.1)
    ignore = "signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    stage = counting(tmp_path, f"print('counting'); {ignore}; {WAIT}")
    assert interrupted(stage, 0.01, "TERM") == (RESUMED, ["TERM did not end it"])
    assert stage.written() == FIVE


@pytest.mark.usefixtures("ready")
def test_before_the_first_line_a_signal_may_be_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kills, "SECONDS_TO_END", 0.1)
    stage = counting(tmp_path, f"signal.signal(signal.SIGTERM, signal.SIG_IGN); {WAIT}")
    assert interrupted(stage, 0.01, "TERM") == (RESUMED, [])


@pytest.mark.usefixtures("ready")
def test_status_0_after_a_signal_promises_whole_outputs(tmp_path: Path) -> None:
    leave = "signal.signal(signal.SIGTERM, lambda *_: os._exit(0))"
    stage = counting(tmp_path, f"print('counting'); {leave}; {WAIT}")
    assert interrupted(stage, 0.01, "TERM") == ("ended before the kill", [])
    assert "models/total is missing" in differences(FIVE, stage.written())


def test_a_program_that_fails_by_itself_ends_the_proof_with_what_it_printed(tmp_path: Path) -> None:
    stage = counting(tmp_path, "sys.exit('error: no features')")
    with pytest.raises(SystemExit, match="error: no features\nerror: the stage failed \\(1\\)"):
        proven(stage, 1, 0, "KILL")


@pytest.mark.usefixtures("ready")
@pytest.mark.parametrize(
    ("total", "start", "how", "verdict", "well"),
    [
        ("'.....'", 2, RESUMED, "the same bytes", 1),
        ("str(start)", 2, RESUMED, "models/total differs", 0),
        ("str(start)", 0, "ended before the kill", "models/total differs", 0),
    ],
)
def test_a_line_per_round_and_one_of_all(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    total: str,
    start: int,
    how: str,
    verdict: str,
    well: int,
) -> None:
    monkeypatch.setattr(kills, "moments", lambda *_: [0.01 if start else 60.0])
    stage = counting(tmp_path, WAIT, start, total)
    assert proven(stage, 1, 0, "KILL") is bool(well)
    first, line, last = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"unbroken: \d+\.\d s, 1 files", first)
    assert line == f"kill 1 of 1 after {0.01 if start else 60:.1f} s ({how}): {verdict}"
    way = "1 continued" if start else "1 ended before the kill"
    assert last == f"{well} of 1 ended in the same bytes; {way}"


def test_kills_at_drawn_moments_change_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stage = counting(tmp_path, total="time.sleep(0.1) or state.read_text()")
    assert proven(stage, 4, 7, "KILL")
    *rounds, last = capsys.readouterr().out.splitlines()[1:]
    assert all(line.endswith("): the same bytes") for line in rounds)
    told, _, ways = last.partition("; ")
    assert told == "4 of 4 ended in the same bytes"
    assert sum(map(int, re.findall(r"\d+", ways))) == len(rounds) == 4
