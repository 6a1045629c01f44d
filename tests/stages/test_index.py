"""The index holds the database as the other stages have it, and the demo encodes as they do."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from zipfile import ZipFile

import h5py
import numpy as np
import pytest
from PIL import Image

from agch import storage
from agch.files import sha256
from agch.index_folder import IndexFolder
from agch.manifest import read_manifest
from agch.pictures import thumbnail
from tests.imports import loaded

from .conftest import ROOT, Project, make_project

BEFORE = ("fetch", "prepare", "extract", "split", "train", "encode")
ALL = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module("stages." + name).main()
"""
SEARCHED = """
import sys
from pathlib import Path
from zipfile import ZipFile

from studio.adapters.agch import AGCHAdapter
from agch.index_folder import IndexFolder

demo, index = AGCHAdapter().demo(Path(), Path()), IndexFolder(Path("data/index"))
assert "torch" not in sys.modules

def told(answer):
    return [(hit.item, hit.distance, hit.tied) for hit in answer.hits]

with ZipFile("data/images.zip") as archive:
    for row in range(index.manifest.rows):
        item = index.item(row)
        picture = archive.read(item["id"])
        hits = demo.by_picture(picture, ("8", "16")[row % 2], "codes", 32, "pictures").hits
        assert [hit.distance for hit in hits if hit.item == row] == [0], row
        if row < 8:
            (first, *_) = demo.by_picture(picture, "16", "outputs", 1, "pictures").hits
            assert first.distance < 1e-15, row
        for method in ("codes", "outputs"):
            words = demo.by_words(", ".join(item["words"]), "16", method, 32)
            assert told(words) == told(demo.by_item(row, "pictures", "16", method, 32)), row
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project with nested codes up to its index; tests may look at it and must not change it."""
    made = make_project(tmp_path_factory.mktemp("index") / "project")
    made.set(train={"bits": 16, "nested": [8, 16]})
    made.run("python", "-c", ALL, *BEFORE, "index")
    return made


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Project:
    """A project of which all may be changed."""
    return Project(Path(shutil.copytree(project.path, tmp_path / "copy")))


def test_each_row_is_that_of_the_database_in_its_order(project: Project) -> None:
    index, data = IndexFolder(project.path / "data/index"), project.path / "data"
    entries = {entry["id"]: entry for entry in read_manifest(data / "manifest.jsonl")}
    with h5py.File(data / "split.h5") as split, h5py.File(data / "codes.h5") as codes:
        ids, database = storage.strings(codes["id"]), split["database"][:]
        assert len(database) == 32 == index.manifest.rows
        for modality in ("image", "text"):
            for found, name in ((index.codes, modality), (index.outputs, f"{modality}_output")):
                expected = [codes[name][row] for row in database]
                np.testing.assert_array_equal(found[modality], expected)
        np.testing.assert_array_equal(index.label, split["label"][:][database])
    for row, place in enumerate(database):
        entry = entries[ids[place]]
        shown = {"id": entry["id"], "title": "made", "words": entry["tags"]}
        assert index.item(row) == shown and len(entry["tags"]) == 6


def test_each_row_has_the_thumbnail_of_its_own_picture(project: Project) -> None:
    index = IndexFolder(project.path / "data/index")
    with ZipFile(project.path / "data/images.zip") as archive:
        for row in range(32):
            small = index.thumbnails[row]
            assert small == thumbnail(archive.read(index.item(row)["id"]), 160)
            with Image.open(io.BytesIO(small)) as picture:
                assert (picture.format, picture.size) == ("JPEG", (48, 48))


def test_the_manifest_says_which_run_it_is(project: Project) -> None:
    told = project.json("data/index/manifest.json")
    samples = told.pop("samples")
    digest = told.pop("weights_sha256")
    assert told == {
        "schema": "agch.index/1",
        "model": "AGCH+",
        "bits": 16,
        "nested": [8, 16],
        "rows": 32,
        "source": "openclipart",
        "licence": project.json("data/vocabulary.json")["licence"],
        "backbone": "efficientnet_lite0",
        "text_encoder": "bow",
        "text_weights_sha256": "",
        "model_sha256": sha256(project.path / "models/agch.pt"),
        "codes_sha256": sha256(project.path / "data/codes.h5"),
        "thumbnail_side": 160,
    }
    with h5py.File(project.path / "data/features.h5") as features:
        assert digest == features.attrs["weights_sha256"] != ""
    entries = {entry["id"]: entry for entry in read_manifest(project.path / "data/manifest.jsonl")}
    with h5py.File(project.path / "data/split.h5") as split:
        ids = storage.strings(split["id"])
        queries = [", ".join(entries[ids[row]]["tags"][:3]) for row in split["query"]]
    assert samples == list(dict.fromkeys(queries)) and 1 < len(samples) <= 8


def test_the_vocabulary_is_that_of_the_features(project: Project) -> None:
    words = project.json("data/index/vocabulary.json")["words"]
    assert words == project.json("data/vocabulary.json")["words"] and "black" in words


def contents(folder: Path) -> dict[str, bytes]:
    """Every file."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_another_run_writes_the_same_bytes(project: Project, copy: Project) -> None:
    before = contents(project.path / "data/index")
    assert len(before) == 11
    shutil.rmtree(copy.path / "data/index")
    copy.run("python", "-m", "stages.index", PYTHONHASHSEED="7", TZ="Asia/Tokyo")
    assert contents(copy.path / "data/index") == before
    copy.run("python", "-m", "stages.index")  # over one that is there
    assert contents(copy.path / "data/index") == before


def test_data_without_pictures_words_and_labels_has_an_index(copy: Project) -> None:
    data = copy.path / "data"
    with ZipFile(data / "images.zip", "w"):
        pass
    with h5py.File(data / "features.h5", "r+") as features, h5py.File(data / "split.h5", "r+") as s:
        del features["vocabulary"], features["label"], features["label_name"], s["label"]
        features.attrs["text_encoder"] = features.attrs["backbone"] = "given"
        features["label"] = s["label"] = np.empty((40, 0), np.uint8)
        features["label_name"] = np.empty(0, "S1")
    copy.run("python", "-m", "stages.index")
    index = IndexFolder(data / "index")
    assert index.thumbnails.size == 0 and index.label.shape == (32, 0)
    assert index.vocabulary == index.manifest.samples == []
    assert index.item(0)["title"] == "made"


def test_an_item_is_called_by_its_title_else_its_caption_else_its_name(copy: Project) -> None:
    path = copy.path / "data/manifest.jsonl"
    entries = read_manifest(path)
    for entry, title, caption in zip(entries, ["", ""], ["so " * 40, ""]):
        entry["title"], entry["caption"] = title, caption
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    copy.run("python", "-m", "stages.index")
    index = IndexFolder(copy.path / "data/index")
    shown = {item["id"]: item["title"] for item in map(index.item, range(32))}
    first, second, third = (entry["id"] for entry in entries[:3])
    expected = {first: ("so " * 40)[:80], second: second, third: "made"}
    there = expected.keys() & shown.keys()
    assert len(there) > 1 and all(shown[name] == expected[name] for name in there)


def test_codes_of_other_items_are_one_clear_error(copy: Project) -> None:
    with h5py.File(copy.path / "data/codes.h5", "r+") as codes:
        codes["id"][3] = b"else"
    before = contents(copy.path / "data/index")
    result = copy.run("python", "-m", "stages.index", check=False)
    assert result.returncode == 1 and "Traceback" not in result.stderr
    assert "speak of different items from row 3 on" in result.stderr
    assert contents(copy.path / "data/index") == before


def test_index_needs_no_torch() -> None:
    assert loaded("stages.index", {"torch", "numpy"}, ROOT) == {"numpy"}


def test_each_picture_and_its_words_find_themselves_in_a_process_that_starts_with_the_demo(
    project: Project,
) -> None:
    project.run("python", "-c", SEARCHED, PYTHONPATH=str(ROOT))
