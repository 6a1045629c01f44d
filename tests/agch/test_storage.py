"""HDF5 files under contract: what is written is read, whatever else stands there is refused."""

import hashlib
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from agch.storage import (
    CODES,
    FEATURES,
    GIVEN,
    SPLIT,
    Contract,
    SchemaError,
    allocate,
    create,
    put,
    reading,
    same_ids,
    strings,
)

ROOT = Path(__file__).parents[2]
CONTRACTS = [GIVEN, FEATURES, SPLIT, CODES]
LENGTHS = dict(n=3, d=4, k=6, v=5, l=2, q=1, b=2, t=2, e=1, p=1, c=8, s=2)
WORDS = ["a", "événement", "дом", "家", "🙂"]


def contents(contract):
    """A value for every dataset; a text of each length in use."""
    rng = np.random.default_rng(0)
    for name, (dtype, dims) in contract.datasets.items():
        shape = tuple(LENGTHS[dim] for dim in dims)
        yield name, WORDS[: shape[0]] if dtype == "text" else rng.integers(0, 2, shape, dtype="u1")


def write(path, contract, **changed):
    """A good file, but for the datasets given."""
    attributes = {key: f"the {key}" for key in contract.attributes}
    with create(path, contract, **attributes) as file:
        for name, values in (dict(contents(contract)) | changed).items():
            dtype = contract.datasets[name][0]
            put(file, name, values if dtype == "text" else values.astype(first(dtype)))


def first(dtype):
    """Of the dtypes that a dataset may have."""
    return dtype.split("|")[0]


@pytest.fixture(params=CONTRACTS, ids=lambda contract: contract.kind)
def contract(request):
    return request.param


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "file.h5"


def refusal(path, contract):
    with pytest.raises(SchemaError) as caught, reading(path, contract):
        pass
    return str(caught.value)


def test_what_is_written_is_read(path, contract):
    write(path, contract)
    with reading(path, contract) as file:
        for name, values in contents(contract):
            dtype = contract.datasets[name][0]
            if dtype == "text":
                assert strings(file[name]) == values
            else:
                assert file[name].dtype == first(dtype)
                np.testing.assert_array_equal(file[name][:], values)
        for key in contract.attributes:
            assert file.attrs[key] == f"the {key}"


def test_a_file_that_was_read_cannot_be_changed(path):
    write(path, SPLIT)
    with reading(path, SPLIT) as file, pytest.raises(OSError):
        file["label"][0] = 1


def test_no_text_at_all_is_still_text(path):
    nothing = np.empty((LENGTHS["n"], 0), np.uint8)
    write(path, FEATURES, vocabulary=[], text=nothing)
    with reading(path, FEATURES) as file:
        assert strings(file["vocabulary"]) == []


WRITE_ALL = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import test_storage
time.sleep(float(sys.argv[3]))
for contract in test_storage.CONTRACTS:
    test_storage.write(Path(sys.argv[2], contract.kind), contract)
    with test_storage.create(Path(sys.argv[2], "blocks"), test_storage.BLOCKS) as file:
        test_storage.allocate(file, "image", (4, 2), "float32")[1:3] = 1
"""
BLOCKS = Contract("blocks", "extract", {"image": ("float32", "nd")})


def test_two_processes_a_second_apart_write_the_same_bytes(tmp_path):
    # HDF5 stamps, where they are on, count whole seconds
    folders = [tmp_path / "now", tmp_path / "later"]
    command = [sys.executable, "-c", WRITE_ALL, str(Path(__file__).parent)]
    waits = ["0", "1.1"]
    running = [
        subprocess.Popen([*command, str(folder), wait], cwd=ROOT)
        for folder, wait in zip(folders, waits, strict=True)
    ]
    assert [process.wait() for process in running] == [0, 0]
    now, later = (
        {file.name: hashlib.md5(file.read_bytes()).hexdigest() for file in folder.iterdir()}
        for folder in folders
    )
    assert now == later
    assert set(now) == {"given", "features", "split", "codes", "blocks"}


@pytest.mark.parametrize("rows", [1, 3, 7])
def test_the_size_of_the_blocks_written_does_not_change_the_bytes(tmp_path, rows):
    values = np.random.default_rng(0).random((7, 5), dtype=np.float32)
    paths = tmp_path / "whole", tmp_path / "blocks"
    for path, step in zip(paths, (7, rows), strict=True):
        with create(path, BLOCKS) as file:
            image = allocate(file, "image", values.shape, "float32")
            for start in range(0, 7, step):
                image[start : start + step] = values[start : start + step]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_rows_that_were_skipped_are_cut_off_the_end(path):
    with create(path, BLOCKS) as file:
        image = allocate(file, "image", (100_000, 3), "float32")
        image[:2] = [[1, 2, 3], [4, 5, 6]]
        image.resize(2, axis=0)
    with reading(path, BLOCKS) as file:
        assert file["image"][:].tolist() == [[1, 2, 3], [4, 5, 6]]


def test_chunks_are_whole_rows_of_a_quarter_mebibyte_at_most(path):
    with create(path, BLOCKS) as file:
        # 256 KiB / (4 * 1280) bytes = 51.2 rows
        assert allocate(file, "image", (1000, 1280), "float32").chunks == (51, 1280)
        assert allocate(file, "few", (3, 1280), "float32").chunks == (3, 1280)
        assert allocate(file, "wide", (3, 100_000), "float32").chunks == (1, 100_000)


def test_an_absent_file_is_refused_with_the_stage_that_makes_it(path, contract):
    assert refusal(path, contract) == (
        f"{path} not found; make it with `dvc repro {contract.stage}`"
    )


def test_a_file_that_is_no_hdf5_is_refused(path, contract):
    path.parent.mkdir()
    path.write_bytes(b"not HDF5 at all")
    message = refusal(path, contract)
    assert message.startswith(f"{path} is not a readable HDF5 file (")
    assert message.endswith(f"; delete it and run `dvc repro {contract.stage}`")


def test_a_truncated_file_is_refused(path):
    write(path, FEATURES)
    path.write_bytes(path.read_bytes()[:-100])
    assert "is not a readable HDF5 file" in refusal(path, FEATURES)


@pytest.mark.parametrize("found", ["agch.features/0", "agch.split/1", None])
def test_another_schema_is_refused(path, found):
    write(path, FEATURES)
    with h5py.File(path, "a") as file:
        del file.attrs["schema"]
        if found:
            file.attrs["schema"] = found
    assert refusal(path, FEATURES) == (
        f"{path}: schema is {found!r}, expected 'agch.features/1'; "
        "make it again with `dvc repro extract`"
    )


@pytest.mark.parametrize("key", FEATURES.attributes)
def test_a_missing_attribute_is_refused(path, key):
    write(path, FEATURES)
    with h5py.File(path, "a") as file:
        del file.attrs[key]
    assert refusal(path, FEATURES) == (
        f"{path}: attribute '{key}' is missing; make it again with `dvc repro extract`"
    )


@pytest.mark.parametrize(
    ("contract", "name"),
    [(each, name) for each in CONTRACTS for name in each.datasets if name not in each.optional],
)
def test_a_missing_dataset_is_refused(path, contract, name):
    write(path, contract)
    with h5py.File(path, "a") as file:
        del file[name]
    message = refusal(path, contract)
    assert message.startswith(f"{path}: dataset '{name}' is missing, expected ")
    assert message.endswith(f"; make it again with `dvc repro {contract.stage}`")


def test_nothing_is_optional_but_what_not_every_source_or_backbone_gives():
    assert {each.kind: each.optional for each in CONTRACTS} == {
        "given": ("image", "text"),
        "features": ("image_pool5", "vocabulary", "split"),
        "split": (),
        "codes": (),
    }


def test_text_is_0_and_1_or_any_numbers(path):
    for dtype in ("uint8", "float32"):
        with create(path, FEATURES, **dict.fromkeys(FEATURES.attributes, "")) as file:
            for name, values in contents(FEATURES):
                kind = dtype if name == "text" else first(FEATURES.datasets[name][0])
                put(file, name, values if kind == "text" else values.astype(kind))
        with reading(path, FEATURES) as file:
            assert file["text"].dtype == dtype


def test_an_optional_dataset_may_be_absent_for_writer_and_reader(path):
    everything = dict(contents(FEATURES))
    with create(path, FEATURES, **dict.fromkeys(FEATURES.attributes, "")) as file:
        for name, values in everything.items():
            dtype = FEATURES.datasets[name][0]
            if name not in FEATURES.optional:
                put(file, name, values if dtype == "text" else values.astype(first(dtype)))
    with reading(path, FEATURES) as file:
        assert set(file) == set(everything) - {"image_pool5", "vocabulary", "split"}


def test_codes_say_which_prefixes_serve(path):
    write(path, CODES, nested=np.array([8, 16]))
    with reading(path, CODES) as file:
        assert file["nested"][:].tolist() == [8, 16]
    write(path, CODES, nested=np.array([]))  # none do
    with reading(path, CODES) as file:
        assert file["nested"].shape == (0,)


@pytest.mark.parametrize(
    ("name", "values", "found", "expected"),
    [
        ("image", np.zeros((3, 4)), "float64 (3, 4)", "float32 (n=3, d)"),
        ("image", np.zeros((3, 4), ">f4"), ">f4 (3, 4)", "float32 (n=3, d)"),
        ("image", np.zeros(3, "f4"), "float32 (3,)", "float32 (n=3, d)"),
        ("image", np.zeros((2, 4), "f4"), "float32 (2, 4)", "float32 (n=3, d)"),
        ("image_pool5", np.zeros((3, 6), "f4"), "float32 (3, 6)", "float16 (n=3, k)"),
        ("image_pool5", np.zeros((2, 6), "f2"), "float16 (2, 6)", "float16 (n=3, k)"),
        ("text", np.zeros((3, 5), "i1"), "int8 (3, 5)", "uint8|float32 (n=3, v)"),
        ("vocabulary", np.array(WORDS[:1] * 4, "S"), "text (4,)", "text (v=5)"),
        ("vocabulary", np.arange(5), "int64 (5,)", "text (v=5)"),
        ("vocabulary", np.array(WORDS, object), "object (5,)", "text (v=5)"),
        ("id", np.array([["a"]], "S"), "text (1, 1)", "text (n)"),
    ],
)
def test_a_wrong_dtype_rank_or_length_is_refused(path, name, values, found, expected):
    write(path, FEATURES)
    with h5py.File(path, "a") as file:
        del file[name]
        file[name] = values
    assert refusal(path, FEATURES) == (
        f"{path}: dataset '{name}' is {found}, expected {expected}; "
        "make it again with `dvc repro extract`"
    )


def test_a_writer_is_held_to_the_contract_and_leaves_the_old_file(path):
    write(path, FEATURES)
    before = path.read_bytes()
    with pytest.raises(SchemaError, match=r"'label' is uint8 \(2, 2\), expected uint8 \(n=3, l\)"):
        write(path, FEATURES, label=np.zeros((2, 2), np.uint8))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_an_error_while_writing_leaves_nothing(path):
    with pytest.raises(ZeroDivisionError), create(path, SPLIT) as file:
        put(file, "id", WORDS)
        1 / 0
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("other", "row"),
    [(["a", "b", "d"], 2), (["b", "a", "c"], 0), (["a", "b"], 2), (["a", "b", "c", "d"], 3)],
)
def test_files_of_different_items_are_refused_with_the_first_difference(tmp_path, other, row):
    paths = []
    for name, ids in (("one.h5", ["a", "b", "c"]), ("two.h5", other)):
        paths.append(tmp_path / name)
        with h5py.File(paths[-1], "w") as file:
            put(file, "id", ids)
    with h5py.File(paths[0]) as one, h5py.File(paths[1]) as two:
        same_ids(one, one)
        with pytest.raises(SchemaError) as caught:
            same_ids(one, two)
    assert str(caught.value).startswith(
        f"{paths[0]} (3 rows) and {paths[1]} ({len(other)} rows) "
        f"speak of different items from row {row} on"
    )
