"""Named arrays in files: the same rows from every format, one line for whatever is wrong."""

import tracemalloc
from zipfile import ZipFile

import h5py
import numpy as np
import pytest
from array_files import h5, mat, mat73, npz
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import io, sparse

from agch import arrays as module
from agch.arrays import describe, open_arrays, texts
from agch.errors import InputError

WRITERS = [
    pytest.param(npz, "a.npz", id="npz"),
    pytest.param(mat, "a.mat", id="mat"),
    pytest.param(mat73, "a.mat", id="mat73"),
    pytest.param(h5, "a.h5", id="h5"),
    pytest.param(h5, "a.hdf5", id="hdf5"),
]
MATRIX = np.arange(24.0).reshape(6, 4)
ROWS = np.array([0, 2, 3])
WORDS = ["red", "", "grün"]


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_every_format_gives_the_rows_that_were_written(tmp_path, write, name):
    narrow = np.arange(12, dtype=np.uint8).reshape(6, 2)
    found = open_arrays(write(tmp_path / name, wide=MATRIX, narrow=narrow))
    assert set(found) == {"wide", "narrow"}
    assert (found["wide"].shape, found["wide"].dtype) == ((6, 4), np.float64)
    assert (found["narrow"].shape, found["narrow"].dtype) == ((6, 2), np.uint8)
    assert found["wide"][ROWS].tolist() == MATRIX[ROWS].tolist()
    assert found["narrow"][4:].tolist() == [[8, 9], [10, 11]]
    assert found["wide"][:].tolist() == MATRIX.tolist()


@pytest.mark.parametrize(("write", "name"), WRITERS)
@given(data=st.data())
def test_any_rows_of_any_array_are_those_of_numpy(tmp_path_factory, write, name, data):
    shape = data.draw(array_shapes(min_dims=2, max_dims=4, min_side=1, max_side=4))
    array = data.draw(arrays(data.draw(st.sampled_from(["u1", "i4", "f4", "f8"])), shape))
    places = data.draw(st.sets(st.integers(0, shape[0] - 1), min_size=1))
    found = open_arrays(write(tmp_path_factory.mktemp("any") / name, x=array))["x"]
    # MATLAB keeps no trailing axes of length 1
    assert np.squeeze(found[:]).shape == np.squeeze(array).shape
    rows = np.array(sorted(places))
    assert found[rows].dtype == found.dtype == array.dtype
    np.testing.assert_array_equal(found[rows].ravel(), array[rows].ravel())


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_a_list_of_strings_is_read_as_such(tmp_path, write, name):
    found = open_arrays(write(tmp_path / name, words=WORDS, matrix=MATRIX))
    assert texts(found["words"]) == WORDS
    with pytest.raises(InputError, match=r"^holds float64 of shape \(6, 4\), expected text$"):
        texts(found["matrix"])


def test_characters_of_matlab_lose_the_blanks_that_fill_them_up(tmp_path):
    v5 = open_arrays(mat(tmp_path / "5.mat", words=np.array(["a b", "red c"]), one="red"))
    v73 = open_arrays(mat73(tmp_path / "73.mat", words="a b  \nred c", one="red"))
    for found in (v5, v73):
        assert (texts(found["words"]), texts(found["one"])) == (["a b", "red c"], ["red"])
    assert describe(v73["words"]) == "<U0 of shape (2,)"
    assert v73["words"][np.array([1])].tolist() == ["red c"]


def test_text_beyond_16_bits_is_read(tmp_path):
    assert texts(open_arrays(mat73(tmp_path / "a.mat", one=["\U0001f600"]))["one"]) == [
        "\U0001f600"
    ]


def test_strings_of_variable_length_are_read(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["words"] = WORDS
    assert texts(open_arrays(tmp_path / "a.h5")["words"]) == WORDS


def test_bytes_that_are_not_utf_8_are_no_text(tmp_path):
    path = h5(tmp_path / "a.h5", words=np.array([b"red", b"\xff"]))
    with pytest.raises(InputError, match=r"^holds .*xff'.*, which is not UTF-8$"):
        texts(open_arrays(path)["words"])


def test_cells_of_something_else_are_no_text(tmp_path):
    old = mat(tmp_path / "5.mat", cells=np.array(["red", MATRIX], object))
    new = mat73(tmp_path / "73.mat", matrix=MATRIX, cells=["red", "blue"])
    with h5py.File(new, "r+") as file:
        file["cells"][0, 1] = file["matrix"].ref
    for path in (old, new):
        with pytest.raises(InputError, match="^holds something that is not text, expected text"):
            texts(open_arrays(path)["cells"])


def test_sparse_matrices_are_filled(tmp_path):
    io.savemat(tmp_path / "a.mat", {"x": sparse.csc_matrix(MATRIX)})
    assert open_arrays(tmp_path / "a.mat")["x"][ROWS].tolist() == MATRIX[ROWS].tolist()


@pytest.mark.parametrize(("write", "name"), [(npz, "a.npz"), (h5, "a.h5")])
def test_single_values_are_left_out(tmp_path, write, name):
    assert set(open_arrays(write(tmp_path / name, one=np.float64(1), x=MATRIX))) == {"x"}


def test_groups_of_hdf5_are_left_out(tmp_path):
    path = h5(tmp_path / "a.h5", x=MATRIX)
    with h5py.File(path, "r+") as file:
        file.create_group("deep")["y"] = MATRIX
        file["nothing"] = h5py.Empty("f4")
    assert set(open_arrays(path)) == {"x"}


def test_an_npz_is_loaded_array_by_array_when_rows_are_asked_for(tmp_path, monkeypatch):
    loads = []
    load = np.load
    monkeypatch.setattr(np, "load", lambda *a, **k: loads.append(a) or load(*a, **k))
    found = open_arrays(npz(tmp_path / "a.npz", x=MATRIX, y=MATRIX + 1))
    assert [array.shape for array in found.values()] == [(6, 4), (6, 4)]
    assert loads == []
    assert found["y"][ROWS].tolist() == (MATRIX + 1)[ROWS].tolist()
    assert found["y"][:].shape == (6, 4)
    assert len(loads) == 1


@pytest.mark.parametrize(("write", "name"), [(h5, "a.h5"), (mat73, "a.mat")])
def test_hdf5_is_read_by_blocks_of_rows(tmp_path, write, name):
    found = open_arrays(write(tmp_path / name, x=np.ones((4000, 256))))["x"]
    tracemalloc.start()
    total = sum(found[np.arange(start, start + 100)].sum() for start in range(0, 4000, 100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total == 4000 * 256
    assert peak < 1 << 20  # 100 rows are 0.2 MB, all of them 8 MB


def test_a_folder_holds_the_arrays_of_all_its_files(tmp_path):
    mat73(tmp_path / "set-iall.mat", IAll=MATRIX)
    mat(tmp_path / "set-yall.mat", YAll=MATRIX + 1)
    npz(tmp_path / "more.npz", LAll=MATRIX + 2)
    (tmp_path / "readme.txt").write_text("about")
    (tmp_path / "._set-iall.mat").write_bytes(b"what a Mac leaves behind")
    (tmp_path / "deep").mkdir()
    mat(tmp_path / "deep" / "other.mat", IAll=MATRIX)
    found = open_arrays(tmp_path)
    first = {name: array[:1].tolist() for name, array in found.items()}
    assert first == {"IAll": [[0, 1, 2, 3]], "YAll": [[1, 2, 3, 4]], "LAll": [[2, 3, 4, 5]]}


def test_a_name_in_two_files_of_a_folder_is_an_error(tmp_path):
    mat(tmp_path / "one.mat", x=MATRIX, y=MATRIX)
    npz(tmp_path / "two.npz", x=MATRIX)
    with pytest.raises(InputError, match="one.mat and two.npz both have an array 'x'; take one"):
        open_arrays(tmp_path)


def test_a_folder_without_arrays_is_an_error(tmp_path):
    (tmp_path / "x.npy").write_bytes(b"")
    with pytest.raises(InputError, match=r"has no file of arrays; expected \.npz, \.mat, \.h5"):
        open_arrays(tmp_path)


@pytest.mark.parametrize(
    ("name", "told"), [("none.mat", "not found"), ("x.csv", "is no file of arrays"), ("x", "is no")]
)
def test_what_is_no_file_of_arrays_is_an_error(tmp_path, name, told):
    if name.startswith("x"):
        (tmp_path / name).write_bytes(b"1,2")
    with pytest.raises(InputError, match=f"/{name} {told}.*; expected "):
        open_arrays(tmp_path / name)


def test_pickled_objects_are_not_loaded(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([{}], object))
    with pytest.raises(InputError, match=r"a\.npz cannot be read as \.npz \(Object arrays cannot"):
        open_arrays(tmp_path / "a.npz")["x"][:]


def test_an_entry_of_an_npz_that_is_no_array_is_left_out(tmp_path):
    npz(tmp_path / "a.npz", x=MATRIX)
    with ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("readme", "about")
    assert list(open_arrays(tmp_path / "a.npz")) == ["x"]


@pytest.mark.parametrize("how", ["empty", "garbage", "cut"])
@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_a_damaged_file_is_one_line_that_names_it(tmp_path, write, name, how):
    path = write(tmp_path / name, x=MATRIX)
    data = path.read_bytes()
    damaged = {"empty": b"", "garbage": b"garbage" * 99, "cut": data[: len(data) // 2]}
    path.write_bytes(damaged[how])
    told = rf"^.*{name} cannot be read as \{path.suffix} \(.*\); get or make it again$"
    with pytest.raises(InputError, match=told) as caught:
        open_arrays(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["npz", "h5"])
def test_rows_that_are_damaged_are_noticed_when_they_are_read(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    array = np.random.default_rng(0).random((100, 8))
    if kind == "npz":
        npz(path, x=array)
    else:
        with h5py.File(path, "w") as file:
            file.create_dataset("x", data=array, chunks=True, compression="gzip")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 255
    path.write_bytes(data)
    found = open_arrays(path)["x"]
    assert found.shape == (100, 8)
    with pytest.raises(InputError, match=rf"a\.{kind} cannot be read as"):
        found[:]


def test_every_known_suffix_is_tested():
    assert {param.values[1].removeprefix("a") for param in WRITERS} == set(module.OPEN)
