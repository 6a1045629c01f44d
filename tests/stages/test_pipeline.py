"""The whole pipeline by `dvc repro` on a made source: bytes, kills, resume, experiments."""

from __future__ import annotations

import json
import re
import shutil
import stat
from pathlib import Path

import h5py
import pytest
import torch
import yaml

from agch import checkpoint
from agch.codes import pack
from agch.files import read_table, sha256
from agch.metrics import evaluate
from stages.params import SECTIONS

from .conftest import ROOT, Project

STAGES = (
    "fetch",
    "prepare",
    "extract",
    "split",
    "train",
    "encode",
    "baseline",
    "evaluate",
    "report",
    "index",
)

METRICS = ["map@5", "map", "p@1", "p@5", "p@radius2"]

# As sitecustomize.py it is executed by every interpreter that finds it on PYTHONPATH.
KILLER = """
import os, signal, sys
if sys.orig_argv[1:] == ["-m", "stages." + os.environ["KILLED"]]:
    os.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""

TELLER = """
import atexit, sys
if sys.orig_argv[1:2] == ["-m"] and sys.orig_argv[2].startswith("stages."):
    atexit.register(lambda: print("library:", sys.modules["agch"].__file__))
"""


def running(output: str) -> list[str]:
    """The stages that ran."""
    return re.findall(r"Running stage '(\w+)'", output)


def test_a_second_repro_only_looks_at_the_source(reproduced: Project) -> None:
    assert running(reproduced.run("dvc", "repro").stdout) == ["fetch"]
    assert reproduced.run("git", "status", "--porcelain").stdout == ""


def test_every_metric_and_curve_is_written(reproduced: Project) -> None:
    retrieval, baseline = (reproduced.json(f"metrics/{n}.json") for n in ("retrieval", "baseline"))
    for scores in (retrieval, baseline["cca_itq"], baseline["random"]):
        for direction in ("i2t", "t2i"):
            told = scores[direction]
            assert list(told) == [*METRICS, "expected", "margin"]
            assert list(told["expected"]) == [name for name in METRICS if name != "p@radius2"]
            assert list(told["margin"]) == METRICS
            assert 0 <= told["map@5"] <= 1
    assert set(retrieval) == {"i2t", "t2i", "i2i", "t2t", "cosine", "codes"}
    assert set(retrieval["cosine"]["i2t"]) == {"map@5", "map"}


def test_every_curve_is_written_and_drawn_once(reproduced: Project) -> None:
    drawn = yaml.safe_load((ROOT / "dvc.yaml").read_text())["plots"]
    sources = [path for plot in drawn for each in plot.values() for path in each["y"]]
    assert len(sources) == len(set(sources))
    written = (reproduced.path / "plots/retrieval").glob("*.csv")
    curves = {path.relative_to(reproduced.path).as_posix() for path in written}
    assert {path for path in sources if path.startswith("plots/retrieval/")} == curves
    for path in sources:
        assert len((reproduced.path / path).read_text().splitlines()) > 2
    shown = json.loads(reproduced.run("dvc", "plots", "show", "--json").stdout)
    assert "errors" not in shown
    assert {name: len(charts) for name, charts in shown["data"].items()} == {
        name: 1 for plot in drawn for name in plot
    }


def test_scores_of_every_query_average_to_the_metrics(reproduced: Project) -> None:
    scores = read_table(reproduced.path / "data/scores.csv")
    floors = read_table(reproduced.path / "data/baseline_scores.csv")
    with h5py.File(reproduced.path / "data/split.h5") as split:
        queries = [split["id"][:][row].decode() for row in split["query"]]
    assert scores.pop("query") == floors.pop("query") == queries
    told = {"": reproduced.json("metrics/retrieval.json")}
    told |= {f"{name} ": each for name, each in reproduced.json("metrics/baseline.json").items()}
    for name, column in {**scores, **floors}.items():
        method, direction, metric = re.fullmatch(r"(\w+ )?(i2t|t2i) (.+)", name).groups()
        mean = sum(map(float, column)) / len(column)
        assert mean == pytest.approx(told[method or ""][direction][metric], abs=1e-6)
    assert len(scores) == 2 * len(METRICS) and len(floors) == 4 * len(METRICS)


def test_the_report_tells_the_numbers_of_the_run(reproduced: Project) -> None:
    page = (reproduced.path / "plots/report.html").read_text(encoding="utf-8")
    for direction in ("i2t", "t2i"):
        score = reproduced.json("metrics/retrieval.json")[direction]["map@5"]
        assert f"{score:.3f} ±" in page and f"{score:.4f}" in page
    for text in ("CCA-ITQ", "random", "train", "gcn_hidden", "made", "disc_shapes"):
        assert text in page
    assert page.count("data:image/jpeg;base64,") == 2 * 3 * (1 + 8) - 3  # of t2i, words ask


@pytest.mark.slow
def test_same_bytes_elsewhere_with_other_threads_and_instructions(
    reproduced: Project, fresh: Project
) -> None:
    fresh.run("dvc", "repro", OMP_NUM_THREADS="1", ATEN_CPU_CAPABILITY="default", MKL_CBWR="AVX")
    assert fresh.outs() == reproduced.outs()
    assert (fresh.path / "dvc.lock").read_text() == (reproduced.path / "dvc.lock").read_text()


@pytest.mark.slow
def test_a_kill_before_any_output_is_in_place_loses_nothing(
    reproduced: Project, fresh: Project
) -> None:
    """Each stage in turn is killed when it is about to rename its first finished file."""
    (fresh.path.parent / "sitecustomize.py").write_text(KILLER)
    path = str(fresh.path.parent)
    pipeline = yaml.safe_load((fresh.path / "dvc.yaml").read_text())["stages"]
    for stage in STAGES:
        result = fresh.run("dvc", "repro", stage, check=False, PYTHONPATH=path, KILLED=stage)
        assert result.returncode != 0
        assert stage == STAGES[0] or stage not in fresh.lock()
        metrics = [path for entry in pipeline[stage].get("metrics", []) for path in entry]
        for out in (*pipeline[stage].get("outs", []), *metrics):
            assert not (fresh.path / out).exists(), f"{out} looks whole after {stage} was killed"
    fresh.run("dvc", "repro")
    assert (fresh.path / "dvc.lock").read_text() == (reproduced.path / "dvc.lock").read_text()


def copy_of(project: Project, place: Path) -> Project:
    """A copy whose outputs can be overwritten."""
    shutil.copytree(project.path, place, symlinks=False)
    for path in place.rglob("*"):
        path.chmod(path.stat().st_mode | stat.S_IWUSR)
    return Project(place)


@pytest.mark.parametrize("select", ["last", "best"])
def test_a_training_killed_half_way_resumes_to_the_same_bytes(
    reproduced: Project, tmp_path: Path, select: str
) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    if select == "best":
        project.set(train={"select": "best"})
        project.run("python", "-m", "stages.train")
    kill = (
        "import os, signal, stages, agch.checkpoint as c\n"
        "c.SECONDS_BETWEEN = c.LEAST_BETWEEN = 0\n"
        "saves, save = [], c.save\n"
        "def counting(*a):\n"
        "    save(*a); saves.append(a)\n"
        "    if len(saves) == 5: os.kill(os.getpid(), signal.SIGKILL)\n"
        "c.save = counting\n"
        "import stages.train; stages.train.main()\n"
    )
    outputs = ("models/agch.pt", "metrics/train.json", "plots/train/metrics.json")
    before = [(project.path / name).read_bytes() for name in outputs]
    for name in outputs:
        (project.path / name).unlink()
    assert project.run("python", "-c", kill, check=False).returncode == -9
    assert not (project.path / outputs[0]).exists()
    # a save after each of the three steps of an epoch
    assert "continuing after epoch 1, step 2" in project.run("python", "-m", "stages.train").stdout
    assert [(project.path / name).read_bytes() for name in outputs] == before
    assert not list((project.path / ".checkpoints").iterdir())


def test_best_keeps_the_first_epoch_with_the_highest_validation_score(
    reproduced: Project, tmp_path: Path
) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    project.set(train={"select": "best", "epochs": 5})
    project.run("python", "-m", "stages.train")
    folder = project.path / "plots/train/plots/metrics/validation"
    columns = [
        [float(line.split("\t")[1]) for line in (folder / f"{d}.tsv").read_text().splitlines()[1:]]
        for d in ("i2t", "t2i")
    ]
    scores = [sum(pair) for pair in zip(*columns, strict=True)]
    best = scores.index(max(scores))
    told = project.json("metrics/train.json")
    assert told["epoch"] == best + 1
    assert [told["validation"][d]["map@50"] for d in ("i2t", "t2i")] == [c[best] for c in columns]
    kept = checkpoint.load(project.path / "models/agch.pt", "train")["encoders"]
    project.set(train={"select": "last", "epochs": best + 1})
    project.run("python", "-m", "stages.train")
    stopped = checkpoint.load(project.path / "models/agch.pt", "train")["encoders"]
    assert best + 1 < len(scores), "the made data no longer tells best from last"
    assert (
        all(kept[name].equal(stopped[name]) for name in stopped) and kept.keys() == stopped.keys()
    )


def test_labels_never_reach_the_model(reproduced: Project, tmp_path: Path) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    model = (project.path / "models/agch.pt").read_bytes()
    for name in ("data/features.h5", "data/split.h5"):
        with h5py.File(project.path / name, "r+") as file:
            file["label"][:] = 1 - file["label"][:]
    project.run("python", "-m", "stages.train")
    assert (project.path / "models/agch.pt").read_bytes() == model


def test_an_experiment_runs_what_depends_on_it_from_its_own_snapshot(
    reproduced: Project, tmp_path: Path
) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    (tmp_path / "sitecustomize.py").write_text(TELLER)
    command = ("dvc", "exp", "run", "--temp", "-n", "half", "-S", "train.alpha=0.5")
    output = project.run(*command, PYTHONPATH=str(tmp_path)).stdout
    lines = output.splitlines()
    ran = ["fetch", "train", "encode", "evaluate", "report", "index"]
    assert running(output) == ran
    libraries = [line.removeprefix("library: ") for line in lines if line.startswith("library: ")]
    assert len(libraries) == len(ran)
    assert all(f"{project.path}/.dvc/tmp/exps/" in library for library in libraries)
    diff = project.run("dvc", "params", "diff", "main", "half").stdout
    assert "train.alpha" in diff and "0.5" in diff
    assert project.run("git", "status", "--porcelain").stdout == ""


def stage(project: Project, name: str) -> str:
    """What the stage prints."""
    return project.run("python", "-m", f"stages.{name}").stdout


@pytest.mark.slow
def test_nested_lengths_are_measured_by_their_prefixes(reproduced: Project, tmp_path: Path) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    project.set(train={"bits": 16, "nested": [8, 16], "epochs": 1})
    for name in ("train", "encode", "evaluate"):
        stage(project, name)
    told = project.json("metrics/retrieval.json")
    assert set(told["nested"]) == {"bits_8"}, "the whole code is measured without a name"
    assert set(told["nested"]["bits_8"]) == {"i2t", "t2i"}
    with h5py.File(project.path / "data/codes.h5") as codes:
        assert codes["nested"][:].tolist() == [8, 16]
        prefixes = {name: pack(codes[f"{name}_output"][:, :8]) for name in ("image", "text")}
        assert all((codes[name][:, :1] == prefixes[name]).all() for name in prefixes)
    with h5py.File(project.path / "data/split.h5") as split:
        label, query, database = (split[name][:] for name in ("label", "query", "database"))
    for direction, (asked, found) in {"i2t": ("image", "text"), "t2i": ("text", "image")}.items():
        scores = evaluate(
            *(prefixes[asked][query], prefixes[found][database], label[query], label[database]),
            at=(1, 5),
        )
        expected = told["nested"]["bits_8"][direction]
        del expected["margin"]
        means = {rule: scores.means(rule) for rule in ("stable", "expected")}
        for name, score in expected.pop("expected").items():
            assert score == pytest.approx(means["expected"][name], abs=1e-6)
        for name, score in expected.items():
            assert score == pytest.approx(means["stable"][name], abs=1e-6)


def test_without_nested_lengths_nothing_is_said_of_prefixes(reproduced: Project) -> None:
    assert "nested" not in reproduced.json("metrics/retrieval.json")
    with h5py.File(reproduced.path / "data/codes.h5") as codes:
        assert codes["nested"].shape == (0,)


def target_line(project: Project, **changes: object) -> list[str]:
    """What training prints of the target: its line, and the warning where there is one."""
    project.set(train={"epochs": 1, "target_scale": "paper"} | changes)
    lines = stage(project, "train").splitlines()
    return [line for line in lines if line.startswith(("target", "warning: a ", "warning: with"))]


def test_training_tells_the_scale_of_its_target_and_warns_of_a_positive_mean(
    reproduced: Project, tmp_path: Path
) -> None:
    # T = 2S - 1: the larger the gammas, the more of S lies above 1/2
    project, mean = copy_of(reproduced, tmp_path / "copy"), re.compile(r" mean (-?\d\.\d\d), ")
    (line,) = target_line(project, gamma_v=0.4, gamma_t=0.4)
    assert -1 < float(mean.search(line)[1]) < 0
    line, warning = target_line(project, gamma_v=2.0, gamma_t=2.0)
    assert float(mean.search(line)[1]) > 0
    assert warning.startswith("warning: a mean above 0 drives all codes to one; ")


@pytest.mark.slow
def test_alexnets_layers_are_trained_from_pool5(
    reproduced: Project, tmp_path: Path, alexnet_weights: Path
) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    weights = str(alexnet_weights)
    project.set(
        extract={"backbone": "alexnet", "weights": weights, "pool5": True},
        train={
            "image_encoder": "alexnet_fc",
            "epochs": 1,
            "bits": 8,
            "learning_rate": dict.fromkeys(("image", "text", "fusion", "gcn"), 0.0003),
        },
    )
    project.run("dvc", "repro", "evaluate")
    with h5py.File(project.path / "data/features.h5") as features:
        assert features.attrs["weights_sha256"] == sha256(alexnet_weights)
        assert (features["image"].shape, features["image"].dtype) == ((40, 4096), "float32")
        pool5 = features["image_pool5"]
        assert (pool5.shape, pool5.dtype) == ((40, 9216), "float16")
    encoders = checkpoint.load(project.path / "models/agch.pt", "train")["encoders"]
    start = torch.load(alexnet_weights)["classifier.1.weight"]
    # 24 rows in batches of 8: three steps of Adam at 0.0003 move a weight by 0.001
    assert 0 < (encoders["image.hidden.1.weight"] - start).abs().max() < 0.002
    for direction in ("i2t", "t2i"):
        assert 0 < project.json("metrics/retrieval.json")[direction]["map@5"] <= 1
    other = tmp_path / "other.pth"
    shutil.copy(alexnet_weights, other)
    with other.open("ab") as file:
        file.write(b"!")
    project.set(extract={"weights": str(other)})
    result = project.run("python", "-m", "stages.train", check=False)
    assert result.returncode == 1
    assert sha256(alexnet_weights)[:12] in result.stderr and sha256(other)[:12] in result.stderr


def test_alexnets_layers_without_pool5_are_one_clear_error(
    reproduced: Project, tmp_path: Path
) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    project.set(train={"image_encoder": "alexnet_fc"})
    result = project.run("python", "-m", "stages.train", check=False)
    assert result.returncode == 1
    assert result.stderr == (
        "error: train.image_encoder is 'alexnet_fc', but data/features.h5 has no 'image_pool5'; "
        "extract it with -S extract.backbone=alexnet -S extract.pool5=true\n"
    )


def test_the_wrong_width_of_features_is_one_clear_error(
    reproduced: Project, tmp_path: Path
) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    with h5py.File(project.path / "data/features.h5", "r+") as file:
        image = file["image"][:, :7]
        del file["image"]
        file["image"] = image
    result = project.run("python", "-m", "stages.encode", check=False)
    assert result.returncode == 1
    assert result.stderr == (
        "error: models/agch.pt was trained on 1280 image features, data/features.h5 has 7; "
        "run `dvc repro train`\n"
    )


@pytest.mark.parametrize(
    ("section", "values", "message"),
    [
        ("train", {"epochz": 3}, "train.epochz: unknown key; did you mean 'epochs'?"),
        ("train", {"bits": 12}, "train.bits: must be a multiple of 8"),
    ],
)
def test_a_stage_refuses_its_parameters_before_it_works(
    reproduced: Project, tmp_path: Path, section: str, values: dict[str, object], message: str
) -> None:
    project = copy_of(reproduced, tmp_path / "copy")
    project.set(**{section: values})
    result = project.run("python", "-m", f"stages.{section}", check=False)
    assert result.returncode == 1
    assert message in result.stderr and "Traceback" not in result.stderr


def test_every_section_of_the_committed_parameters_is_read_by_somebody() -> None:
    assert tuple(yaml.safe_load((ROOT / "params.yaml").read_text())) == SECTIONS
