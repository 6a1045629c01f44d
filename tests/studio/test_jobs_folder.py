"""A job's folder: what readers see of it, whoever writes at the same time."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.jobs import folder as files
from studio.jobs.folder import JobFolder, create
from studio.jobs.model import NUMBER, PARTS, Progress, moment_of, number_of

SPEC = {
    "kind": "stage",
    "subject": "fit",
    "title": "Stage fit",
    "command": ["dvc", "repro", "fit"],
    "steps": 5,
    "created": "2026-11-22T22:30:15+00:00",
}


def made(path, **state):
    create(path / "20261122-223015-ab12", SPEC)
    folder = JobFolder(path / "20261122-223015-ab12")
    if state:
        folder.change(**state)
    return folder


@pytest.fixture
def job(tmp_path):
    return made(tmp_path)


@given(st.integers(0, 2**31 * PARTS), st.integers(0, 2**31 * PARTS))
def test_numbers_are_moments_and_sort_by_them(first, second):
    one, other = number_of(first), number_of(second)
    assert NUMBER.fullmatch(one) and moment_of(one) == first
    assert (one < other) == (first < second) and (one == other) == (first == second)


def test_a_number_shows_the_time_and_the_part_of_the_second():
    # 22 November 2026, 22:30:15 UTC, and half a second
    assert number_of(1795386615 * PARTS + PARTS // 2) == "20261122-223015-8000"


def test_a_new_job_is_queued_and_shows_what_it_is(job):
    found = job.job()
    assert (found.id, found.state, found.command) == (job.number, "queued", tuple(SPEC["command"]))
    assert {key: getattr(found, key) for key in ("kind", "subject", "title", "created")} == {
        key: SPEC[key] for key in ("kind", "subject", "title", "created")
    }
    assert (found.started, found.ended, found.status, found.error) == (None, None, None, "")
    assert found.progress == Progress(steps=5) and not found.cancelling
    assert sorted(path.name for path in job.path.iterdir()) == ["spec.json", "state.json"]
    assert [path.name for path in job.path.parent.iterdir()] == [job.number]


def test_progress_is_the_last_whole_report_and_the_last_line_that_was_printed(job):
    job.report([(0, 0.25), (1, 0.5)])
    (job.path / "log").write_bytes(b"first\n  last one \n\n \n")
    assert job.job().progress == Progress(1, 5, 0.5, "last one")
    with (job.path / "progress.jsonl").open("a") as file:
        file.write('{"step": 2, "sc')
    assert job.job().progress == Progress(1, 5, 0.5, "last one")
    (job.path / "log").write_bytes(b"10%\r" + b"x" * 500)
    assert job.job().progress.text == "x" * 200


DAMAGE = ["", "{", "\0" * 40, "null", "[]", "{}", '{"state": "running"}', '"\ud83d"']


@pytest.mark.parametrize("name", ["state.json", "spec.json"])
@pytest.mark.parametrize("text", DAMAGE)
def test_a_job_whose_files_are_damaged_is_lost_and_says_why(job, name, text):
    job.change(state="running", started="2026-11-22T22:30:16+00:00")
    (job.path / name).write_bytes(text.encode("utf-8", "surrogatepass"))
    found = job.job()
    assert (found.id, found.state, found.cancelling) == (job.number, "lost", False)
    assert found.error.startswith(f"{name} of this job cannot be read: ")
    assert not job.live() and not job.supervised()


@pytest.mark.parametrize("name", ["state.json", "spec.json"])
def test_a_job_whose_files_are_gone_is_lost(job, name):
    (job.path / name).unlink()
    assert job.job().state == "lost" and "No such file" in job.job().error
    assert job.job().title == ("Stage fit" if name == "state.json" else "A job that cannot be read")


def test_a_report_that_is_damaged_is_none(job):
    for line in ("\0\0", "{", "7", "{}", '{"step": 3}'):
        (job.path / "progress.jsonl").write_text(line + "\n")
        assert job.job().progress == Progress(steps=5)


def test_a_file_is_on_the_disk_before_it_takes_the_place_of_the_one_before(job, monkeypatch):
    done = []
    fsync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: done.append("fsync") or fsync(file))
    monkeypatch.setattr(
        Path, "replace", lambda path, to: done.append("replace") or replace(path, to)
    )
    job.change(state="running")
    assert done == ["fsync", "replace"]


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_none_so_that_files_and_answers_are_json(job, score):
    job.report([(3, score)])
    assert json.loads((job.path / "progress.jsonl").read_text()) == {"step": 3, "score": None}
    assert job.job().progress == Progress(3, 5, None)


def test_a_long_run_shows_its_last_report(job):
    job.report([(step, step / 2) for step in range(5000)])
    assert job.job().progress == Progress(4999, 5, 2499.5)


def test_only_a_job_that_is_not_over_is_about_to_end(job):
    job.ask_to_end()
    job.ask_to_end()
    assert job.asked_to_end() and job.job().cancelling
    job.change(state="running")
    assert job.job().cancelling
    job.change(state="cancelled")
    assert not job.job().cancelling


PIECES = st.lists(
    st.binary(max_size=6) | st.sampled_from(["ü", "日本", "🙂", "\n"]).map(str.encode), max_size=12
)


@given(PIECES, st.integers(1, 9))
def test_a_log_is_read_on_from_where_it_was_without_loss_whatever_its_bytes(pieces, size):
    with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "PIECE", max(size, 4))  # a character has up to four bytes
        job = made(Path(place), state="running")
        written, text, after = b"", "", 0
        for piece in pieces:
            written += piece
            (job.path / "log").write_bytes(written)
            found, after = job.log(after)
            text += found
            assert text == written[:after].decode("utf-8", "replace")
        job.change(state="done")
        while after < len(written):
            found, after = job.log(after)
            assert found
            text += found
        assert text == written.decode("utf-8", "replace") and job.log(after) == ("", after)


def test_half_a_character_waits_for_the_rest_but_not_when_the_job_is_over(job):
    job.change(state="running")
    (job.path / "log").write_bytes("aü".encode()[:2])
    assert job.log(0) == ("a", 1) and job.log(1) == ("", 1)
    (job.path / "log").write_bytes("aü\nb".encode())
    assert job.log(1) == ("ü\nb", 5)
    (job.path / "log").write_bytes("aü".encode()[:2])
    job.change(state="failed")
    assert job.log(1) == ("\ufffd", 2)


def test_a_place_outside_of_the_log_is_its_nearest_end(job):
    assert job.log(0) == job.log(7) == ("", 0)
    (job.path / "log").write_text("abc")
    assert job.log(-5) == ("abc", 3) and job.log(1000) == ("", 3)


def test_the_end_of_a_log_begins_with_a_whole_line(job, monkeypatch):
    assert job.log_tail() == ""
    (job.path / "log").write_text("one\ntwo\nthree\n")
    assert job.log_tail() == "one\ntwo\nthree\n"
    monkeypatch.setattr(files, "TAIL", 8)  # "o\nthree\n"
    assert job.log_tail() == "three\n"
    (job.path / "log").write_text("x" * 20)
    assert job.log_tail() == "x" * 8


def test_one_at_a_time_holds_a_job(job):
    with job.held() as mine:
        with JobFolder(job.path).held() as other:
            assert mine and not other
    with JobFolder(job.path).held() as other:
        assert other


def test_who_reads_while_it_is_written_sees_it_as_it_was_or_as_it_is(job):
    torn, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            try:
                found = job.job()
                if found.error != str(found.status) * 3000:
                    torn.append(found)
            except (ValueError, OSError, KeyError, TypeError) as error:
                torn.append(error)

    job.change(status=0, error="0" * 3000)
    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for status in range(300):
        job.change(status=status % 10, error=str(status % 10) * 3000)
        job.report([(status, 0.5)])
    stop.set()
    for reader in readers:
        reader.join()
    assert torn == []


def test_a_job_is_seen_whole_or_not_at_all(tmp_path):
    torn, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            for path in [path for path in tmp_path.iterdir() if NUMBER.fullmatch(path.name)]:
                try:
                    assert JobFolder(path).job().state == "queued"
                except (ValueError, OSError, KeyError) as error:
                    torn.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for moment in range(100):
        create(tmp_path / number_of(moment), SPEC)
    stop.set()
    reader.join()
    assert torn == [] and len(list(tmp_path.iterdir())) == 100
    assert not list(tmp_path.glob(".*"))
