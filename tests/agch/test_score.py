"""Scores of codes in files: what is read, what is refused, and the table on the command line."""

import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from rankings import retrieval
from scipy import io, sparse

import agch
from agch.bootstrap import margin
from agch.codes import unpack
from agch.errors import InputError
from agch.metrics import evaluate
from agch.score import main, read, table

ROOT = Path(agch.__file__).parents[1]
CODES = np.arange(24).reshape(3, 8) - 7.5
LABELS = np.array([[1, 0], [0, 1], [1, 1]], np.uint8)


def mat(path, **arrays):
    io.savemat(path, arrays, do_compression=True)
    return str(path)


def mat73(path, **arrays):
    """As MATLAB writes it: a head of 512 bytes, the axes turned round."""
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, array in arrays.items():
            file[name] = np.transpose(array)
        file.create_group("#refs#")
    return str(path)


def score(*arguments):
    command = [sys.executable, "-m", "agch.score", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def saved(folder, arrays):
    """Paths of four .npy files."""
    names = ("query", "database", "query_labels", "database_labels")
    for name, array in zip(names, arrays, strict=True):
        np.save(folder / name, array)
    return [folder / f"{name}.npy" for name in names]


@pytest.mark.parametrize("array", [CODES, LABELS, LABELS > 0, CODES.astype(np.int8)])
def test_npy_is_read_as_it_is(tmp_path, array):
    np.save(tmp_path / "codes.npy", array)
    found = read(str(tmp_path / "codes.npy"))
    assert found.dtype == array.dtype
    assert found.tolist() == array.tolist()


@pytest.mark.parametrize("write", [mat, mat73])
def test_mat_of_one_array_needs_no_name(tmp_path, write):
    path = write(tmp_path / "codes.mat", B=CODES)
    assert read(path).tolist() == read(f"{path}:B").tolist() == CODES.tolist()


@pytest.mark.parametrize("write", [mat, mat73])
def test_mat_of_several_arrays_is_read_by_name(tmp_path, write):
    path = write(tmp_path / "all.mat", B=CODES, L=LABELS)
    assert read(f"{path}:B").tolist() == CODES.tolist()
    assert read(f"{path}:L").tolist() == LABELS.tolist()
    assert read(f"{path}:L").dtype == np.uint8


@pytest.mark.parametrize("write", [mat, mat73])
@pytest.mark.parametrize(
    ("name", "problem"), [("", "has 2 arrays;"), (":C", "has no array 'C';"), (":b", "'b';")]
)
def test_what_no_name_tells_apart_is_an_error_that_lists_the_names(tmp_path, write, name, problem):
    path = write(tmp_path / "all.mat", B=CODES, L=LABELS)
    with pytest.raises(InputError) as error:
        read(path + name)
    assert problem in str(error.value)
    assert str(error.value).endswith(f"name one as {path}:NAME (it holds B, L)")


def test_sparse_matrices_are_filled(tmp_path):
    path = mat(tmp_path / "labels.mat", L=sparse.csc_matrix(LABELS.astype(float)))
    assert read(path).tolist() == LABELS.tolist()


def test_a_colon_elsewhere_is_part_of_the_path(tmp_path):
    np.save(tmp_path / "a:b.npy", CODES)
    assert read(str(tmp_path / "a:b.npy")).tolist() == CODES.tolist()
    path = mat(tmp_path / "a:b.mat", B=CODES, L=LABELS)
    assert read(f"{path}:L").tolist() == LABELS.tolist()


@pytest.mark.parametrize("place", ["codes.npy", "codes.mat", "codes.mat:B", "folder"])
def test_a_file_that_is_not_there_is_an_error(tmp_path, place):
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError) as error:
        read(str(tmp_path / place))
    path = tmp_path / place.partition(":")[0]
    assert str(error.value) == f"{path} not found; expected a .npy or a .mat file"


@pytest.mark.parametrize("name", ["codes.npz", "codes.csv", "codes"])
def test_other_files_are_an_error(tmp_path, name):
    (tmp_path / name).write_bytes(b"anything")
    with pytest.raises(InputError, match=f"{name} is neither .npy nor .mat"):
        read(str(tmp_path / name))


@pytest.mark.parametrize("write", [mat, mat73])
@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((2, 3, 4)), r"float64 of shape \(2, 3, 4\)"),
        (np.array([[b"some"]]), r".* of shape \(1,( 1)?\)"),
        (CODES * 1j, r"complex128 of shape \(3, 8\)"),
    ],
    ids=["three axes", "text", "complex"],
)
def test_what_is_no_matrix_of_numbers_is_an_error(tmp_path, write, array, told):
    path = write(tmp_path / "odd.mat", B=array)
    with pytest.raises(InputError, match=f"odd.mat:B holds {told}; expected a matrix of numbers"):
        read(f"{path}:B")


@pytest.mark.parametrize("array", [np.zeros(8), np.array([["1"]]), CODES * 1j, np.zeros((1, 2, 8))])
def test_npy_that_is_no_matrix_of_numbers_is_an_error(tmp_path, array):
    np.save(tmp_path / "odd.npy", array)
    with pytest.raises(InputError, match="odd.npy holds .*; expected a matrix of numbers"):
        read(str(tmp_path / "odd.npy"))


def test_cells_and_structs_of_matlab_are_an_error(tmp_path):
    path = mat(tmp_path / "odd.mat", cell=np.array([[CODES, 1]], object), struct={"x": 1})
    for name in ("cell", "struct"):
        with pytest.raises(InputError, match=f"odd.mat:{name} holds .* of shape"):
            read(f"{path}:{name}")


def test_the_table_has_both_rules_and_the_margin_of_the_stable_one():
    found = evaluate(*retrieval(0), at=(5,))
    head, line, *rows = table(found, 3)
    assert head == "| metric       | stable | expected | margin |"
    assert line == "|--------------|-------:|---------:|-------:|"
    cells = [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows]
    assert [name for name, *_ in cells] == list(found.stable)
    stable, expected = found.means("stable"), found.means("expected")
    for name, *numbers in cells:
        sure = margin(found.stable[name], 3)
        assert numbers == [f"{stable[name]:.4f}", f"{expected[name]:.4f}", f"{sure:.4f}"]
    assert {len(row) for row in rows} == {len(head)}
    assert stable["map"] != expected["map"]


def test_the_command_prints_the_table_of_evaluate_whatever_the_files(tmp_path):
    query, database, query_labels, database_labels = retrieval(1)
    np.save(tmp_path / "query.npy", query)
    mat(tmp_path / "database.mat", B=unpack(database).astype(float))
    mat(tmp_path / "sides.mat", test=sparse.csr_matrix(query_labels.astype(float)), other=CODES)
    mat73(tmp_path / "sides73.mat", train=database_labels, other=CODES)
    places = ["query.npy", "database.mat", "sides.mat:test", "sides73.mat:train"]
    done = score(*(tmp_path / place for place in places), "--at", "7", "2", "--seed", "4")
    found = evaluate(query, database, query_labels, database_labels, at=(2, 7))
    assert done.stdout.splitlines() == table(found, 4)
    assert (done.returncode, done.stderr) == (0, "")


def test_unless_told_the_command_scores_the_first_50_under_seed_0(tmp_path):
    arrays = retrieval(2, rows=60)
    done = score(*saved(tmp_path, arrays))
    assert done.stdout.splitlines() == table(evaluate(*arrays, at=(50,)), 0)


def test_the_command_takes_a_device(tmp_path, monkeypatch, capsys):
    arrays, asked = retrieval(2), []

    def spied(*given, **options):
        asked.append(options["device"])
        return evaluate(*given, **options)

    monkeypatch.setattr("agch.score.evaluate", spied)
    for options in ([], ["--device", "cpu"]):
        command = ["score", *map(str, saved(tmp_path, arrays)), *options, "--at", "5"]
        monkeypatch.setattr("sys.argv", command)
        main()
        assert capsys.readouterr().out.splitlines() == table(evaluate(*arrays, at=(5,)), 0)
    assert asked == ["cpu", "cpu"]
    monkeypatch.setattr("sys.argv", ["score", *map(str, saved(tmp_path, arrays)), "--device", "x"])
    with pytest.raises(SystemExit):
        main()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_that_is_not_there_is_one_line_and_status_1(tmp_path):
    done = score(*saved(tmp_path, retrieval(0)), "--device", "cuda")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: ") and "Traceback" not in done.stderr


def damaged(path, how):
    data = path.read_bytes()
    if how == "truncated":
        path.write_bytes(data[: len(data) // 2])
    elif how == "flipped":
        path.write_bytes(data[:-9] + bytes([data[-9] ^ 255]) + data[-8:])
    else:
        path.write_bytes(b"" if how == "empty" else b"garbage" * 99)


@pytest.mark.parametrize("how", ["truncated", "flipped", "empty", "garbage"])
@pytest.mark.parametrize("kind", ["npy", "mat"])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, kind, how):
    path = tmp_path / f"codes.{kind}"
    np.save(path, CODES) if kind == "npy" else mat(path, B=CODES)
    damaged(path, how)
    if (kind, how) == ("npy", "flipped"):
        assert read(str(path)).shape == CODES.shape  # .npy has no checksum
    else:
        with pytest.raises(InputError, match=f"codes.{kind} cannot be read as .{kind}"):
            read(str(path))


def test_an_archive_of_arrays_named_npy_is_an_error(tmp_path):
    np.savez(tmp_path / "codes.npz", CODES)
    (tmp_path / "codes.npz").rename(tmp_path / "codes.npy")
    with pytest.raises(InputError, match="codes.npy"):
        read(str(tmp_path / "codes.npy"))


def test_text_of_matlab_73_is_no_matrix(tmp_path):
    path = tmp_path / "text.mat"
    mat73(path, B=np.array([[104, 105]], np.uint16), L=LABELS)
    with h5py.File(path, "r+") as file:
        file["B"].attrs["MATLAB_class"] = np.bytes_("char")
    assert read(str(path)).tolist() == LABELS.tolist()


@pytest.mark.parametrize(
    ("change", "options", "message"),
    [
        ({2: np.ones((5, 4))}, (), "the query must have one row of labels per code, got 6 codes"),
        ({1: np.ones((30, 16))}, (), "packed codes must have one width, got 1 columns"),
        ({0: np.ones((6, 12))}, (), "codes must be (n, c) with c a positive multiple of 8"),
        ({3: np.zeros((30, 4))}, (), "no row of the database has a label"),
        ({}, ("--at", "10", "0"), "k must be at least 1, got 0"),
        ({3: np.zeros(30)}, (), "database_labels.npy holds float64 of shape (30,); expected a"),
    ],
    ids=["labels", "width", "bits", "no label", "k", "vector"],
)
def test_what_the_user_can_mend_is_one_line_and_status_1(tmp_path, change, options, message):
    arrays = [change.get(place, array) for place, array in enumerate(retrieval(0))]
    done = score(*saved(tmp_path, arrays), *options)
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert message in line


def test_a_missing_file_is_one_line_and_status_1(tmp_path):
    places = saved(tmp_path, retrieval(0))
    done = score(*places[:3], tmp_path / "none.mat:L")
    expected = f"error: {tmp_path / 'none.mat'} not found; expected a .npy or a .mat file\n"
    assert (done.returncode, done.stderr) == (1, expected)


def test_a_truncated_npy_is_one_line_and_status_1(tmp_path):
    places = saved(tmp_path, retrieval(0))
    places[1].write_bytes(places[1].read_bytes()[:-5])
    done = score(*places)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")
