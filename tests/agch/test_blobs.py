"""Pieces come back by their numbers, from one file."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agch.blobs import Blobs, write_blobs


@given(st.lists(st.binary(max_size=20), max_size=10))
def test_every_piece_comes_back_empty_ones_too(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("blobs") / "pieces.bin"
    write_blobs(path, iter(pieces))
    blobs = Blobs(path)
    assert [blobs[number] for number in range(len(blobs))] == pieces
    assert path.read_bytes() == b"".join(pieces) and blobs.size == len(b"".join(pieces))


def test_lines_are_a_file_of_lines(tmp_path):
    write_blobs(tmp_path / "lines.jsonl", [b'{"a": 1}\n', b"{}\n"])
    assert (tmp_path / "lines.jsonl").read_text() == '{"a": 1}\n{}\n'


def test_many_threads_read_at_once(tmp_path):
    pieces = [bytes([number % 256]) * (number % 97) for number in range(500)]
    write_blobs(tmp_path / "pieces.bin", pieces)
    blobs = Blobs(tmp_path / "pieces.bin")
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(blobs.__getitem__, range(500))) == pieces


def test_an_open_file_stays_what_it_was_when_another_takes_its_name(tmp_path):
    write_blobs(tmp_path / "pieces.bin", [b"old", b"er"])
    blobs = Blobs(tmp_path / "pieces.bin")
    for path in list(tmp_path.iterdir()):
        path.unlink()
    write_blobs(tmp_path / "pieces.bin", [b"n", b"ewer"])
    assert [blobs[0], blobs[1]] == [b"old", b"er"]


def test_a_file_that_was_cut_off_is_refused(tmp_path):
    path = tmp_path / "pieces.bin"
    write_blobs(path, [b"abc", b"de"])
    path.write_bytes(b"abcd")
    with pytest.raises(ValueError, match="pieces.bin has 4 bytes, expected 5"):
        Blobs(path)
