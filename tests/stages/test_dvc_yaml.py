"""`dvc.yaml` names what the stages really import, load and write."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.imports import loaded, local_imports

ROOT = Path(__file__).parents[2]
PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES = PIPELINE["stages"]
each_stage = pytest.mark.parametrize("name", STAGES)


def source(name: str) -> str:
    """The text of a stage's module."""
    return (ROOT / f"stages/{name}.py").read_text(encoding="utf-8")


def outputs(stage: dict[str, Any]) -> list[str]:
    """Paths of all outs, metrics included."""
    metrics = [path for entry in stage.get("metrics", []) for path in entry]
    return [*stage.get("outs", []), *metrics]


@each_stage
def test_a_stage_depends_on_exactly_the_local_modules_it_imports(name: str) -> None:
    modules = [path for path in STAGES[name]["deps"] if path.endswith(".py")]
    assert modules == sorted(local_imports(f"stages/{name}.py", ROOT))


@each_stage
def test_a_stage_names_the_sections_and_keys_it_loads(name: str) -> None:
    loaded = re.findall(r'params\.load\("(\w+)", \w+\)(?:\.(\w+))?', source(name))
    loaded += re.findall(r'params\.read\(\)\["(\w+)"\]\["(\w+)"\]', source(name))
    whole = source(name).count("params.read()\n")
    calls = source(name).count("params.load(") + source(name).count("params.read(")
    assert calls == len(loaded) + whole
    loaded += [(section, "") for section in PARAMS] * whole
    assert set(STAGES[name]["params"]) == {".".join(filter(None, each)) for each in loaded}
    for key in STAGES[name]["params"]:
        value = PARAMS
        for part in key.split("."):
            value = value[part]


@each_stage
def test_a_stage_is_run_as_a_module(name: str) -> None:
    assert STAGES[name]["cmd"] == f"python -m stages.{name}"
    assert STAGES[name]["desc"]


@each_stage
def test_the_head_of_a_stage_says_what_it_reads_writes_and_takes(name: str) -> None:
    head = dict(re.findall(r"^(\w+) +(.+)$", ast.get_docstring(ast.parse(source(name))), re.M))
    listed = re.sub(r"(\S+)\{(\w+),(\w+)\}(\S+)", r"\1\2\4, \1\3\4", head["Writes"])
    written = {re.sub(r"/? \(.*\)$|/$", "", path) for path in listed.split(", ")}
    assert written == set(outputs(STAGES[name]))
    listed = re.sub(r" \(.*?\)", "", head["Reads"])
    read = set(listed.split(", ")) - {"the data source wherever it lies"}
    deps = (path for path in STAGES[name]["deps"] if not path.endswith((".py", ".j2")))
    assert read == set(deps)
    assert head["Params"].split(", ") == STAGES[name]["params"]
    assert head["Run"] == STAGES[name]["cmd"]


@each_stage
def test_a_data_dependency_is_what_another_stage_writes(name: str) -> None:
    written = {path for stage in STAGES.values() for path in outputs(stage)}
    data = {path for path in STAGES[name]["deps"] if not path.endswith(".py")}
    outside = {"report": {"agch/report.html.j2"}}
    assert data - written == outside.get(name, set())


def test_every_module_with_a_main_is_a_stage() -> None:
    paths = (ROOT / "stages").glob("*.py")
    assert {path.stem for path in paths if "\ndef main()" in path.read_text()} == set(STAGES)


def test_no_output_belongs_to_two_stages() -> None:
    paths = [path for stage in STAGES.values() for path in outputs(stage)]
    assert len(paths) == len(set(paths)) > len(STAGES)


def test_only_the_look_at_the_source_runs_every_time() -> None:
    assert [name for name, stage in STAGES.items() if "always_changed" in stage] == ["fetch"]
    assert "deps" in STAGES["fetch"] and all(p.endswith(".py") for p in STAGES["fetch"]["deps"])


@each_stage
def test_metrics_are_kept_in_git_and_other_outputs_in_the_cache(name: str) -> None:
    for entry in STAGES[name].get("metrics", []):
        ((path, options),) = entry.items()
        assert path.startswith("metrics/") and options == {"cache": False}
    for path in STAGES[name].get("outs", []):
        assert isinstance(path, str), f"{path} has options"


def test_every_plot_is_drawn_from_an_output_and_every_curve_is_drawn() -> None:
    written = {path for stage in STAGES.values() for path in outputs(stage)}
    drawn = {path for plot in PIPELINE["plots"] for each in plot.values() for path in each["y"]}
    assert all({str(place) for place in (Path(p), *Path(p).parents)} & written for p in drawn)
    curves = {path for path in written if path.startswith("plots/")} - {"plots/report.html"}
    assert all(any(path.startswith(f"{folder}/") for path in drawn) for folder in curves)


def test_every_artifact_is_an_output() -> None:
    written = {path for stage in STAGES.values() for path in outputs(stage)}
    assert {artifact["path"] for artifact in PIPELINE["artifacts"].values()} <= written


LIBRARY = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "agch").rglob("*.py"))


@pytest.mark.parametrize("path", LIBRARY)
def test_the_library_knows_neither_the_stages_nor_their_parameter_file(path: str) -> None:
    assert not [file for file in local_imports(path, ROOT) if file.startswith("stages/")]
    nodes = list(ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))))
    statements = {id(node.value) for node in nodes if isinstance(node, ast.Expr)}  # docstrings
    texts = [
        node for node in nodes if isinstance(node, ast.Constant) and id(node) not in statements
    ]
    assert not [node.value for node in texts if "params.yaml" in str(node.value)]


def test_evaluate_needs_no_torch() -> None:
    assert loaded("stages.evaluate", {"torch", "numpy"}, ROOT) == {"numpy"}
