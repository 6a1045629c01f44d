"""Outputs are whole or absent; JSON and CSV hold what they should to the byte."""

import hashlib

import pytest

from agch.files import read_table, replacing, sha256, write_csv, write_json


def test_a_file_appears_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "folder" / "out.txt"
    with replacing(path) as part:
        part.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert list(path.parent.iterdir()) == [path]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.txt"
    path.write_text("old")
    with pytest.raises(KeyError), replacing(path) as part:
        part.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_takes_the_place_of_the_old_one_whole(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with replacing(path) as part:
        part.mkdir()
        (part / "new.txt").write_text("new")
        assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert [file.name for file in path.iterdir()] == ["new.txt"]
    assert list(tmp_path.iterdir()) == [path]


def test_an_error_leaves_the_old_folder_and_nothing_else(tmp_path):
    path = tmp_path / "out"
    path.mkdir()
    (path / "old.txt").write_text("old")
    with pytest.raises(KeyError), replacing(path) as part:
        part.mkdir()
        (part / "half.txt").write_text("half")
        raise KeyError
    assert [file.name for file in path.iterdir()] == ["old.txt"]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("left_over", ["file", "folder"])
def test_what_a_killed_run_left_does_not_get_into_the_output(tmp_path, left_over):
    part = tmp_path / "out.part"
    if left_over == "folder":
        part.mkdir()
        (part / "stale.txt").write_text("stale")
    else:
        part.write_text("stale")
    with replacing(tmp_path / "out") as fresh:
        assert fresh == part
        assert not fresh.exists()
        fresh.mkdir()
    assert list((tmp_path / "out").iterdir()) == []


def test_the_digest_is_of_the_bytes(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(b"abc" * 100_000)
    assert sha256(path) == hashlib.sha256(b"abc" * 100_000).hexdigest()


def test_json_keeps_the_order_and_rounds_to_6_decimals(tmp_path):
    path = tmp_path / "metrics" / "scores.json"
    write_json(path, {"b": {"z": 2 / 3, "a": 1}, "a": 0.12345649, "c": "text", "d": True})
    assert path.read_text() == (
        "{\n"
        '  "b": {\n    "z": 0.666667,\n    "a": 1\n  },\n'
        '  "a": 0.123456,\n  "c": "text",\n  "d": true\n'
        "}\n"
    )


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("nest", "key"),
    [
        (lambda value: {"loss": value}, "loss"),
        (lambda value: {"a": 1.0, "i2t": {"expected": {"map": value}}}, "i2t.expected.map"),
        (lambda value: {"curve": [1.0, value]}, "curve"),
    ],
)
def test_json_refuses_what_is_not_finite_and_names_its_key(tmp_path, nest, key, value):
    path = tmp_path / "scores.json"
    path.write_text("old")
    with pytest.raises(ValueError, match=rf"'{key}.*' is {value}"):
        write_json(path, nest(value))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_csv_is_exact_to_the_byte(tmp_path):
    path = tmp_path / "plots" / "curve.csv"
    write_csv(path, {"k": [1, 10, 100], "i2t": [1.0, 2 / 3, 0.0], "t2i": [0.5, 1e-7, 1200.25]})
    assert path.read_bytes() == b"k,i2t,t2i\n1,1,0.5\n10,0.666667,0\n100,0,1200.25\n"


def test_csv_columns_have_one_length(tmp_path):
    with pytest.raises(ValueError, match="shorter"):
        write_csv(tmp_path / "curve.csv", {"k": [1, 2], "i2t": [0.5]})
    assert list(tmp_path.iterdir()) == []


def test_csv_keeps_texts_as_they_are(tmp_path):
    path = tmp_path / "points.csv"
    texts = ["cat, black", 'the "big" one', "two\nlines", "", "  1.50", "père"]
    write_csv(path, {"a, b": texts, "x": [1.5] * 6})
    first = '"a, b",x\n"cat, black",1.5\n"the ""big"" one",1.5\n"two\nlines",1.5\n'
    assert path.read_bytes() == f"{first},1.5\n  1.50,1.5\npère,1.5\n".encode()
    assert read_table(path) == {"a, b": texts, "x": ["1.5"] * 6}


def test_a_table_is_read_as_the_texts_of_its_columns(tmp_path):
    (tmp_path / "curve.csv").write_bytes(b"k,i2t\n1,0.5\n10,1e-05\n")
    (tmp_path / "curve.tsv").write_bytes(b"step\tloss, all\n0\t1,5\n")  # as dvclive writes it
    assert read_table(tmp_path / "curve.csv") == {"k": ["1", "10"], "i2t": ["0.5", "1e-05"]}
    assert read_table(tmp_path / "curve.tsv") == {"step": ["0"], "loss, all": ["1,5"]}


def test_a_table_without_rows_has_columns(tmp_path):
    write_csv(tmp_path / "none.csv", {"k": [], "i2t": []})
    assert read_table(tmp_path / "none.csv") == {"k": [], "i2t": []}


def test_a_table_has_no_negative_zero_and_refuses_what_is_not_finite(tmp_path):
    write_csv(tmp_path / "t.csv", {"x": [-0.0, -1e-9, -0.5]})
    assert (tmp_path / "t.csv").read_text() == "x\n0\n0\n-0.5\n"
    with pytest.raises(ValueError, match="finite numbers only, got nan"):
        write_csv(tmp_path / "t.csv", {"x": [float("nan")]})
    assert (tmp_path / "t.csv").read_text() == "x\n0\n0\n-0.5\n"
