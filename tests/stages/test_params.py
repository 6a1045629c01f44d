"""The committed parameters, the reader of `params.yaml`, and the one clear error of a stage."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from agch.errors import InputError
from agch.evaluation import EvaluateParams
from agch.hyperparameters import TrainParams
from agch.runtime import RuntimeParams
from agch.schema import ParamsError, parse
from stages import params
from stages.baseline import BaselineParams
from stages.extract import ExtractParams
from stages.prepare import DataParams
from stages.split import SplitParams

ROOT = Path(__file__).parents[2]
SECTIONS = {
    "train": TrainParams,
    "split": SplitParams,
    "extract": ExtractParams,
    "data": DataParams,
    "evaluate": EvaluateParams,
    "baseline": BaselineParams,
    "runtime": RuntimeParams,
}
GOOD = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where `params.yaml` would be, in an empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path / "params.yaml"


def problem(section: str, **changed: Any) -> str:
    """The only line of the refusal."""
    with pytest.raises(ParamsError) as caught:
        parse(SECTIONS[section], GOOD[section] | changed, section)
    _, line = str(caught.value).splitlines()
    return line


@pytest.mark.parametrize("name", params.SECTIONS)
def test_the_committed_parameters_are_good(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(ROOT)
    assert isinstance(params.load(name, SECTIONS[name]), SECTIONS[name])


def test_a_small_float_set_on_the_command_line_is_a_float(file: Path) -> None:
    # `-S train.alpha=0.00001` writes 1e-05, which YAML 1.1 reads as text
    file.write_text(yaml.safe_dump(GOOD).replace("alpha: 1.0", "alpha: 1e-05"))
    assert params.read()["train"]["alpha"] == "1e-05"
    assert params.load("train", TrainParams).alpha == 1e-5


@pytest.mark.parametrize("value", [1, 2000, 0.15, 1.0, "standard"])
def test_a_size_is_rows_or_a_fraction_or_the_standard(value: object) -> None:
    split = parse(SplitParams, GOOD["split"] | {"query": value}, "split")
    assert split.query == value and type(split.query) is type(value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("query", value) for value in (0, -1, 0.0, 1.5, "word", "1.5", True, float("nan"))),
        ("train", 1.5),
        ("train", None),
        ("validation", 1.5),
        ("validation", "standard"),
    ],
)
def test_another_size_is_one_problem_in_words_of_the_file(key: str, value: object) -> None:
    line = problem("split", **{key: value})
    assert line.startswith(f"  split.{key}: ")
    assert "fraction" in line and "rows" in line
    assert "function" not in line and "constrained" not in line


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("data", "min_items", 0),
        ("data", "min_items", True),
        ("data", "path", 3),
        ("data", "counts", "some"),
        ("data", "stop_words", "the"),
        ("data", "source", "flickr"),
        ("extract", "backbone", 3),
        ("extract", "text_encoder", "lda"),
        ("extract", "batch", 0),
        ("extract", "weights", 7),
        ("extract", "pool5", "yes"),
        ("evaluate", "metrics", []),
        ("evaluate", "metrics", "map"),
        ("evaluate", "metrics", ["map@0"]),
        ("evaluate", "metrics", ["MAP@50"]),
        ("evaluate", "metrics", ["p@radius3"]),
        ("evaluate", "seed", -1),
        ("baseline", "components", 0),
        ("baseline", "shrinkage", 0),
        ("baseline", "iterations", 1.5),
        ("runtime", "reproducibility", "Strict"),
        ("runtime", "threads", 0),
        ("runtime", "device", "gpu"),
        ("train", "gamma_power", 3),
        ("train", "momentum", 1),
        ("train", "rho", 0),
        ("train", "batch", 1),
        ("train", "schedule", "both"),
        ("train", "method", "dcmh"),
        ("train", "variant", "agch"),
        ("train", "gcn_hidden", 512),
        ("train", "gcn_hidden", [512]),
        ("train", "gcn_hidden", [512, 512, 512]),
        ("train", "nested", 8),
        ("train", "extensions", None),
        ("train", "image_encoder", "alexnet"),
        ("train", "seed", -1),
        ("split", "seed", 2**63),
    ],
)
def test_a_value_that_no_stage_can_use_is_refused(section: str, key: str, value: object) -> None:
    assert problem(section, **{key: value}).startswith(f"  {section}.{key}: ")


def test_an_unknown_backbone_is_answered_with_the_nearest_names() -> None:
    line = problem("extract", backbone="alexnett")
    assert line.startswith("  extract: no backbone is called 'alexnett'; did you mean 'alexnet'")


def test_only_alexnet_has_a_pool5() -> None:
    assert problem("extract", backbone="efficientnet_lite0", pool5=True) == (
        "  extract: pool5 needs backbone 'alexnet'; got 'efficientnet_lite0'"
    )
    for values in ({"backbone": "alexnet", "pool5": True}, {"backbone": "alexnet", "pool5": False}):
        parse(ExtractParams, GOOD["extract"] | values, "extract")


def test_lists_of_the_file_are_tuples_of_the_section() -> None:
    values = GOOD["train"] | {"bits": 16, "nested": [8, 16], "gcn_hidden": [7, 3]}
    train = parse(TrainParams, values, "train")
    assert (train.nested, train.gcn_hidden) == ((8, 16), (7, 3))


def test_an_absent_file_is_refused(file: Path) -> None:
    with pytest.raises(ParamsError, match="^params.yaml not found; run stages from the repository"):
        params.read()


@pytest.mark.parametrize(
    "content",
    [b"train: [1, 2", b"train:\n\tbits: 8", b"seed: 2020-13-45", "tr\u00e4in: 1".encode("latin-1")],
)
def test_a_file_that_is_no_yaml_is_refused(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(ParamsError, match="^params.yaml is not valid YAML"):
        params.read()
    assert params.wants_strict()


@pytest.mark.parametrize(("content", "found"), [("- 1", "list"), ("word", "str"), ("", "NoneType")])
def test_a_file_that_is_no_mapping_is_refused(file: Path, content: str, found: str) -> None:
    file.write_text(content)
    with pytest.raises(ParamsError, match=f"^params.yaml: expected a mapping .* found .*{found}"):
        params.read()


def test_an_unknown_section_is_answered_with_the_nearest_known_one(file: Path) -> None:
    file.write_text("trian:\n  bits: 8\n")
    with pytest.raises(ParamsError) as caught:
        params.load("runtime", RuntimeParams)
    assert str(caught.value) == "params.yaml: unknown section 'trian'; did you mean 'train'?"


def test_a_missing_section_is_refused_key_by_key(file: Path) -> None:
    file.write_text("evaluate: {metrics: [map], seed: 0}\n")
    with pytest.raises(ParamsError, match="runtime.threads: missing"):
        params.load("runtime", RuntimeParams)


@pytest.mark.parametrize(
    ("content", "strict"),
    [
        ("runtime: {reproducibility: fast}", False),
        ("runtime: {reproducibility: strict}", True),
        ("runtime: {}", True),
        ("runtime:", True),
        ("runtime: [fast]", True),
        ("evaluate: {}", True),
        ("not: [valid", True),
        ("fast", True),
        (None, True),
    ],
)
def test_only_a_clear_fast_leaves_the_instruction_set_free(
    file: Path, content: str | None, strict: bool
) -> None:
    if content is not None:
        file.write_text(content)
    assert params.wants_strict() is strict


def test_what_the_user_can_mend_is_one_message_and_status_1(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "stages.evaluate"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == ("error: params.yaml not found; run stages from the repository's root\n")
    assert done.stdout == ""


def test_every_other_error_keeps_its_traceback() -> None:
    def refuse() -> None:
        raise InputError("mend it")

    def fail() -> None:
        raise ValueError("a bug")

    with pytest.raises(SystemExit) as caught:
        params.run(refuse)
    assert caught.value.code == "error: mend it"
    with pytest.raises(ValueError, match="a bug"):
        params.run(fail)
    params.run(lambda: None)
