"""What is noticed of a source that changes, and what is not read for it."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from agch.errors import InputError
from agch.fingerprint import fingerprint


@pytest.fixture
def folder(tmp_path):
    """Two pictures, one in a folder of its own."""
    (tmp_path / "sub").mkdir()
    (tmp_path / "a.png").write_bytes(b"one")
    (tmp_path / "sub/b.png").write_bytes(b"two")
    return tmp_path


def test_a_file_stands_by_its_content_alone(tmp_path):
    path = tmp_path / "a.zip"
    path.write_bytes(b"content")
    assert fingerprint(path) == (hashlib.sha256(b"content").hexdigest(), 1)
    os.utime(path, ns=(0, 0))
    assert fingerprint(path) == (hashlib.sha256(b"content").hexdigest(), 1)


def test_a_folder_is_the_same_until_something_changes(folder):
    before = fingerprint(folder)
    assert before[1] == 2
    assert fingerprint(folder) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "c.png").write_bytes(b"new"),
        lambda folder: (folder / "a.png").unlink(),
        lambda folder: (folder / "a.png").rename(folder / "z.png"),
        lambda folder: (folder / "a.png").rename(folder / "sub/a.png"),
        lambda folder: (folder / "sub/b.png").write_bytes(b"longer"),
        lambda folder: os.utime(folder / "sub/b.png", ns=(0, 0)),
    ],
    ids=["added", "removed", "renamed", "moved", "another size", "another time"],
)
def test_every_change_of_a_folder_is_noticed(folder, change):
    before = fingerprint(folder)
    change(folder)
    assert fingerprint(folder)[0] != before[0]


def test_hidden_files_do_not_count(folder):
    before = fingerprint(folder)
    (folder / ".DS_Store").write_bytes(b"")
    (folder / ".git").mkdir()
    (folder / ".git/config").write_bytes(b"")
    assert fingerprint(folder) == before


def test_a_digest_that_was_pinned_since_stands_for_the_time(folder):
    (folder / "a.png.sha256").write_text("digest  a.png\n")
    before = fingerprint(folder)
    assert before[1] == 2
    os.utime(folder / "a.png", ns=(0, 0))
    os.utime(folder / "a.png.sha256")  # it was looked at again
    assert fingerprint(folder) == before
    (folder / "a.png.sha256").write_text("other  a.png\n")
    assert fingerprint(folder) != before


def test_a_digest_that_is_older_than_its_file_says_nothing(folder):
    (folder / "a.png.sha256").write_text("digest  a.png\n")
    before = fingerprint(folder)
    time.sleep(0.01)
    (folder / "a.png").write_bytes(b"eno")
    assert fingerprint(folder) != before


def test_a_link_to_nothing_does_not_count(folder):
    before = fingerprint(folder)
    (folder / "gone.png").symlink_to(folder / "nowhere")
    assert fingerprint(folder) == before


def test_no_file_of_a_folder_is_read(folder, monkeypatch):
    monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was opened"))
    monkeypatch.setattr("builtins.open", lambda *_: pytest.fail("a file was opened"))
    assert fingerprint(folder)[1] == 2


def test_names_that_are_no_utf8_count_too(folder):
    before = fingerprint(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/\xff.png")).write_bytes(b"x")
    assert fingerprint(folder)[1] == before[1] + 1


def test_a_link_that_leads_back_is_one_clear_error(folder):
    (folder / "sub/up").symlink_to(folder)
    with pytest.raises(InputError, match="Too many levels .*remove the link that leads back"):
        fingerprint(folder)
