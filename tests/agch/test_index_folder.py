"""An index comes back as it was written, and only if it is whole and of the model at hand."""

from __future__ import annotations

import json

import numpy as np
import pytest

from agch.errors import InputError
from agch.files import sha256
from agch.index_folder import IndexFolder, Manifest, write_index

ARRAYS = {
    "image": np.array([[1], [2], [3]], np.uint8),
    "text": np.array([[4], [5], [6]], np.uint8),
    "image_output": np.linspace(-1, 1, 24, dtype=np.float32).reshape(3, 8),
    "text_output": np.linspace(1, -1, 24, dtype=np.float32).reshape(3, 8),
    "label": np.eye(3, 2, dtype=np.uint8),
}
ITEMS = [{"id": str(row), "title": title, "words": ["a"]} for row, title in enumerate("xäz")]
THUMBNAILS = [b"one", b"", b"three"]


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.pt"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def manifest(model):
    return Manifest(
        model="AGCH",
        bits=8,
        nested=[],
        rows=3,
        source="made",
        licence="none",
        backbone="alexnet",
        weights_sha256="1",
        text_encoder="bow",
        text_weights_sha256="",
        model_sha256=sha256(model),
        codes_sha256="2",
        thumbnail_side=160,
        samples=["a, b"],
    )


@pytest.fixture
def folder(tmp_path, manifest):
    path = tmp_path / "index"
    write_index(path, manifest, ARRAYS, ["a", "b"], ITEMS, THUMBNAILS)
    return path


def test_everything_comes_back(folder, manifest, model):
    index = IndexFolder(folder)
    assert index.manifest == manifest
    found = index.codes | {f"{name}_output": rows for name, rows in index.outputs.items()}
    for name, array in (found | {"label": index.label}).items():
        np.testing.assert_array_equal(array, ARRAYS[name], strict=True)
    assert [index.item(row) for row in range(3)] == ITEMS
    assert [index.thumbnails[row] for row in range(3)] == THUMBNAILS
    assert index.vocabulary == ["a", "b"]
    index.check_model(model)


def test_the_arrays_are_mapped_and_not_loaded(folder):
    index = IndexFolder(folder)
    for array in (*index.codes.values(), *index.outputs.values(), index.label):
        assert isinstance(array, np.memmap)


def test_data_without_labels_has_an_index(tmp_path, manifest):
    arrays = ARRAYS | {"label": np.empty((3, 0), np.uint8)}
    write_index(tmp_path / "bare", manifest, arrays, [], ITEMS, [b"", b"", b""])
    index = IndexFolder(tmp_path / "bare")
    assert index.label.shape == (3, 0) and index.thumbnails.size == 0 and index.vocabulary == []


def test_an_index_that_is_not_there_is_told_with_the_stage_that_makes_it(tmp_path):
    with pytest.raises(InputError, match="nowhere not found; make it with `dvc repro index`"):
        IndexFolder(tmp_path / "nowhere")


def test_an_index_of_another_model_is_refused(folder, model):
    index, old = IndexFolder(folder), sha256(model)
    model.write_bytes(b"other weights")
    with pytest.raises(InputError) as caught:
        index.check_model(model)
    for part in (str(folder), old[:12], str(model), sha256(model)[:12], "`dvc repro index`"):
        assert part in str(caught.value)
    model.unlink()
    with pytest.raises(InputError, match="not found; make it with `dvc repro train`"):
        index.check_model(model)


def changed(**values):
    """A way to change the manifest; `None` takes a key out."""

    def change(folder):
        told = json.loads((folder / "manifest.json").read_text()) | values
        told = {key: value for key, value in told.items() if value is not None}
        (folder / "manifest.json").write_text(json.dumps(told))

    return change


NAMES = [*(f"{name}.npy" for name in (*ARRAYS, "items", "thumbnails")), "items.jsonl"]
NAMES += ["thumbnails.bin", "vocabulary.json", "manifest.json"]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_missing_or_cut_off_is_one_clear_error(folder, name):
    assert {path.name for path in folder.iterdir()} == set(NAMES)
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(whole[: len(whole) - 2])  # a final line feed alone would not harm
    with pytest.raises(InputError, match="index cannot be used .*; make it again with"):
        IndexFolder(folder)
    (folder / name).unlink()
    with pytest.raises(InputError, match="index cannot be used .*; make it again with"):
        IndexFolder(folder)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (changed(schema="agch.index/0"), "schema is 'agch.index/0', expected 'agch.index/1'"),
        (changed(schema=None), "schema is None"),
        (changed(rows=4), "found 3 rows, expected 4"),
        (changed(bits=None), "bits"),
        (changed(colour="red"), "colour"),
        (lambda folder: (folder / "manifest.json").write_text("[]"), "list"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(folder, change, reason):
    change(folder)
    with pytest.raises(InputError, match=reason):
        IndexFolder(folder)
