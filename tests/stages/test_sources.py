"""One's own data through the whole pipeline: a folder of pictures, ready-made features."""

from __future__ import annotations

import csv
import os
import zipfile
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from agch import storage
from agch.sources.mirflickr25k import LABELS

from .conftest import COLOURS, SHAPES, Project, picture
from .test_pipeline import running


def make_folder(folder: Path, count: int, labelled: bool = True) -> Path:
    """Pictures in a folder of their own, and a table of them; some formats and names are odd."""
    (folder / "my pictures").mkdir(parents=True)
    with (folder / "items.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "tags", *(["labels"] if labelled else [])])
        for index in range(count):
            colour, shape = COLOURS[index % 4], SHAPES[index // 4 % 2]
            name = f"my pictures/{index:03}, {colour}.png"
            unlike_any_other = b"%d" % index  # behind the picture's end
            (folder / name).write_bytes(picture(colour, shape, 8 + index % 10) + unlike_any_other)
            tags = [colour, "größe " + "abc"[index % 3], 3 * "xyz"[index % 3]]
            table.writerow([name, "; ".join(tags), *([shape] if labelled else [])])
    return folder


def run_in_a_copy(project: Project, **overrides: Any) -> str:
    """`dvc exp run --temp` with overrides such as data_source="folder"; its outputs are brought."""
    values = (f"{key.replace('_', '.', 1)}={value}" for key, value in overrides.items())
    sets = [word for value in values for word in ("-S", value)]
    output = project.run("dvc", "exp", "run", "--temp", "-n", "own", *sets).stdout
    project.run("dvc", "exp", "apply", "own")
    return output


def metrics_of(project: Project, name: str = "retrieval") -> Any:
    """A metrics file of the experiment."""
    return project.json(f"metrics/{name}.json")


def features_of(project: Project, **data: Any) -> h5py.File:
    """The file of features made of a source."""
    project.set(data=data)
    project.run("dvc", "repro", "extract")
    return storage.reading(project.path / "data/features.h5", storage.FEATURES)


def test_a_folder_of_pictures_becomes_features(fresh: Project, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "own data", 12)
    with features_of(fresh, source="folder", path=str(folder), min_items=1) as features:
        assert storage.strings(features["id"])[3] == "my pictures/003, black.png"
        words = "black blue green größe_a größe_b größe_c red xxx yyy zzz".replace("_", " ")
        assert " ".join(storage.strings(features["vocabulary"])) == words
        assert features["text"][3].tolist() == [1, 0, 0, 1, 0, 0, 0, 1, 0, 0]
        assert storage.strings(features["label_name"]) == ["box", "disc"]
        assert features["label"][:, 0].tolist() == [index // 4 % 2 for index in range(12)]
        assert features["image"].shape == (12, 1280) and features["image"][:].std(axis=0).any()


@pytest.mark.slow
def test_a_folder_of_500_pictures_runs_to_metrics(fresh: Project, tmp_path: Path) -> None:
    folder = make_folder(tmp_path / "own data", 500)
    output = run_in_a_copy(fresh, data_source="folder", data_path=folder)
    assert "folder: 501 files at" in output
    assert "500 items, 10 words, 2 labels; 3.00 words and 1.00 labels an item" in output
    assert 0 < metrics_of(fresh)["i2t"]["map@5"] <= 1 and metrics_of(fresh, "train")["epoch"] == 4
    # ten words span fewer dimensions than there are bits; that stops nothing
    assert "CCA-ITQ is left out. CCA-ITQ needs at least 8 principal components" in output
    assert list(metrics_of(fresh, "baseline")) == ["random"]


@pytest.mark.slow
def test_captions_beside_pictures_run_without_a_label(fresh: Project, tmp_path: Path) -> None:
    folder = tmp_path / "captions"
    folder.mkdir()
    for index in range(40):
        colour = COLOURS[index % 4]
        (folder / f"{index}.png").write_bytes(picture(colour, "disc", 8 + index // 4))
        (folder / f"{index}.txt").write_text(f"The {colour} disc number {index}")
    overrides = {"data_source": "folder", "data_path": folder, "data_stop_words": "english"}
    output = run_in_a_copy(fresh, **overrides)
    assert "40 items, 6 words, 0 labels; 3.00 words" in output
    assert "plots/report.html: 5 charts, 0 sample searches" in output


def make_features(path: Path, rows: int, texts: str) -> Path:
    """Two kinds of rows that both modalities tell apart."""
    generator = np.random.default_rng(0)
    kind = np.arange(rows) % 2
    image = generator.normal(size=(rows, 20)).astype(np.float32) + 3 * kind[:, None]
    words = generator.random((rows, 12)) < np.where(np.arange(12) % 2 == kind[:, None], 0.6, 0.1)
    text = {"tags": words.astype(np.uint8), "dense": words + generator.random((rows, 12))}[texts]
    np.savez(path, image=image, text=text, label=np.eye(2, dtype=np.uint8)[kind])
    return path


@pytest.mark.parametrize("texts", ["tags", "dense"])
def test_ready_made_features_are_taken_as_they_are(
    fresh: Project, tmp_path: Path, texts: str
) -> None:
    path = make_features(tmp_path / "own.npz", 80, texts)
    with features_of(fresh, source="features", path=str(path)) as features:
        given = np.load(path)
        np.testing.assert_array_equal(features["image"][:], given["image"].astype("float32"))
        np.testing.assert_array_equal(features["text"][:], given["text"].astype("float32"))
        np.testing.assert_array_equal(features["label"][:], given["label"])
        assert ("vocabulary" in features) == (texts == "tags")
        assert features.attrs["backbone"] == "given"


@pytest.mark.slow
@pytest.mark.parametrize("texts", ["tags", "dense"])
def test_ready_made_features_run_to_metrics(fresh: Project, tmp_path: Path, texts: str) -> None:
    path = make_features(tmp_path / "own.npz", 80, texts)
    output = run_in_a_copy(fresh, data_source="features", data_path=path, train_epochs=30)
    assert "80 rows of 20 image and 12 text features by given and " in output
    for direction in ("i2t", "t2i"):
        assert metrics_of(fresh)[direction]["map@5"] > 0.8
    assert "No picture: the features were given." in (fresh.path / "plots/report.html").read_text()


@pytest.mark.slow
def test_without_labels_all_runs_and_evaluation_says_why_it_cannot(
    fresh: Project, tmp_path: Path
) -> None:
    path = make_features(tmp_path / "own.npz", 80, "tags")
    arrays = dict(np.load(path))
    del arrays["label"]
    np.savez(path, **arrays)
    output = run_in_a_copy(fresh, data_source="features", data_path=path)
    assert output.count("Retrieval cannot be measured: the data has no labels") == 2
    assert list(metrics_of(fresh)) == ["codes"] and metrics_of(fresh, "baseline") == {}
    assert metrics_of(fresh, "train")["validation"] == {}
    assert "plots/report.html: 5 charts, 0 sample searches" in output
    with storage.reading(fresh.path / "data/codes.h5", storage.CODES) as codes:
        assert codes["image"].shape == (80, 1)
    fresh.set(train={"select": "best"})
    result = fresh.run("python", "-m", "stages.train", check=False)
    assert result.stderr == (
        "error: train.select is 'best', but the data has no labels to judge by; use last\n"
    )


def test_a_split_of_the_data_set_is_taken_where_it_is_asked_for(
    fresh: Project, tmp_path: Path
) -> None:
    path = make_features(tmp_path / "own.npz", 80, "tags")
    marks = np.array(["query"] * 10 + ["train"] * 50 + ["database"] * 20)
    np.savez(path, **np.load(path), split=marks)
    fresh.set(data={"source": "features", "path": str(path)}, split={"rule": "given"})
    fresh.run("dvc", "repro", "split")
    with h5py.File(fresh.path / "data/split.h5") as split:
        assert split["query"][:].tolist() == list(range(10))
        assert sorted(split["database"][:]) == list(range(10, 80))
        train, validation = split["train"][:].tolist(), split["validation"][:].tolist()
        assert sorted(train + validation) == list(range(10, 60)) and len(validation) == 8


def test_a_split_that_the_data_set_has_not_is_one_clear_error(
    reproduced: Project, tmp_path: Path
) -> None:
    (tmp_path / "data").symlink_to(reproduced.path / "data")
    project = Project(tmp_path)
    (tmp_path / "params.yaml").write_text((reproduced.path / "params.yaml").read_text())
    project.set(split={"rule": "given"})
    result = project.run(
        "python", "-m", "stages.split", check=False, PYTHONPATH=str(reproduced.path)
    )
    assert result.stderr == (
        "error: split.rule is 'given', but the data source marks no row as query and train; "
        "use random or stratified\n"
    )


def test_a_folder_that_changed_is_noticed_and_what_is_equal_stays(
    fresh: Project, tmp_path: Path
) -> None:
    folder = make_folder(tmp_path / "own", 40)
    first = folder / "my pictures/000, red.png"
    fresh.set(data={"source": "folder", "path": str(folder)})

    def repro() -> tuple[list[str], str]:
        """The stages that run, and the digest of the pictures."""
        ran = running(fresh.run("dvc", "repro", "prepare").stdout)
        return ran, fresh.outs()["data/images.zip"]

    before = repro()[1]
    assert repro() == (["fetch"], before)
    os.utime(first, ns=(0, 0))
    assert repro() == (["fetch", "prepare"], before)
    first.write_bytes(picture("red", "disc", 3))
    ran, replaced = repro()
    assert ran == ["fetch", "prepare"] and replaced != before
    (folder / "new.png").write_bytes(picture("red", "disc", 5))
    with (folder / "items.csv").open("a", encoding="utf-8") as table:
        table.write("new.png,red,disc\r\n")
    ran, added = repro()
    assert ran == ["fetch", "prepare"] and added != replaced


def test_a_benchmark_with_other_counts_stops_unless_that_is_meant(fresh: Project) -> None:
    source = fresh.path / "agch/sources/openclipart.py"
    source.write_text(
        source.read_text().replace(
            "    unites_duplicates = True",
            '    unites_duplicates = True\n    published = {"pairs": 41}',
        )
    )
    for name in ("fetch", "prepare"):
        result = fresh.run("python", "-m", f"stages.{name}", check=False)
    assert result.returncode == 1 and not (fresh.path / "data/images.zip").exists()
    assert "  pairs: found 40, published 41\n" in result.stderr
    fresh.set(data={"counts": "any"})
    fresh.run("python", "-m", "stages.prepare")


@pytest.mark.slow
def test_a_benchmarks_archives_run_to_metrics_by_the_papers_protocol(
    fresh: Project, tmp_path: Path
) -> None:
    archives = tmp_path / "mirflickr25k"
    archives.mkdir()
    labels: dict[str, list[str]] = {name: [] for name in LABELS}
    with zipfile.ZipFile(archives / "mirflickr25k.zip", "w") as file:
        for number in range(60, 0, -1):
            colour, shape = COLOURS[number % 4], SHAPES[number // 4 % 2]
            file.writestr(f"mirflickr/im{number}.jpg", picture(colour, shape, 8 + number % 9))
            file.writestr(f"mirflickr/meta/tags/tags{number}.txt", f"{colour}\n{shape}\nnikon\n")
            labels["sky" if shape == "disc" else "sea"].append(f"{number}\n")
        words = "".join(f"{word} 20\n" for word in (*COLOURS, *SHAPES, "nikon"))
        file.writestr("mirflickr/doc/common_tags.txt", words)
    with zipfile.ZipFile(archives / "mirflickr25k_annotations_v080.zip", "w") as file:
        for name, lines in labels.items():
            file.writestr(f"{name}.txt", "".join(lines))
    fresh.set(
        data={"source": "mirflickr25k", "path": None, "counts": "any"},
        split={"rule": "stratified", "query": 10, "train": 40, "validation": 8},
    )
    output = fresh.run("dvc", "repro", AGCH_DATA=str(tmp_path)).stdout
    assert "60 items, 7 words, 24 labels; 3.00 words and 1.00 labels an item" in output
    assert 0 < fresh.json("metrics/retrieval.json")["t2i"]["map@5"] <= 1
    fresh.set(data={"counts": "published"})
    result = fresh.run("python", "-m", "stages.fetch", check=False, AGCH_DATA=str(tmp_path))
    assert "bytes, expected 3,069,184,257 (truncated?)" in result.stderr
