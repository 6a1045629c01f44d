"""Adapters: found by name, and the one of this repository says what is true of it."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
import yaml

from agch.hyperparameters import TrainParams
from agch.schema import parse as read_params
from studio import adapters
from studio.adapters import Adapter, get_adapter, list_adapters, register_adapter
from studio.adapters.agch import AGCHAdapter
from studio.engines.random import RandomEngine
from studio.errors import StudioError
from studio.objective import parse_objective
from studio.params import put
from studio.space import parse

ROOT = Path(__file__).parents[2]
AGCH = AGCHAdapter()


@pytest.fixture(autouse=True)
def packages(monkeypatch):
    """What installed packages bring: nothing at first."""
    points = []
    monkeypatch.setattr(adapters, "_registered", {})
    monkeypatch.setattr(
        adapters,
        "entry_points",
        lambda group, name=None: [
            point for point in points if point.group == group and name in (None, point.name)
        ],
    )
    return points


def point(name):
    return EntryPoint(name, "studio.adapters.agch:AGCHAdapter", "studio.adapters")


class Other(Adapter):
    """Of another model."""

    name = "other"

    def search_ranges(self):
        return {}


def test_without_any_adapter_there_is_a_sentence():
    assert list_adapters() == []
    with pytest.raises(StudioError, match="which adapter.* known: none"):
        get_adapter(None)


def test_the_only_adapter_need_not_be_named(packages):
    packages.append(point("agch"))
    assert isinstance(get_adapter(None), AGCHAdapter)
    packages.clear()
    other = Other()
    register_adapter(other)
    assert get_adapter(None) is other


def test_of_several_one_must_be_named(packages):
    packages.append(point("agch"))
    other = Other()
    register_adapter(other)
    assert list_adapters() == ["agch", "other"]
    assert get_adapter("other") is other and isinstance(get_adapter("agch"), AGCHAdapter)
    with pytest.raises(StudioError, match="which adapter.* known: agch, other"):
        get_adapter(None)


def test_an_unknown_adapter_is_refused_with_the_known_ones(packages):
    packages += [point("agch"), EntryPoint("x", "studio.engines.random:RandomEngine", "elsewhere")]
    for name in ("agchh", "x", ""):
        with pytest.raises(StudioError, match=r"(no adapter '|which adapter\?).*known: agch$"):
            get_adapter(name)


def test_an_adapter_registered_by_a_program_goes_before_one_of_the_same_name(packages):
    packages.append(point("other"))
    other = Other()
    register_adapter(other)
    assert get_adapter("other") is other and list_adapters() == ["other"]


def committed(name):
    found = yaml.safe_load((ROOT / "params.yaml").read_text())
    for key in name.split("."):
        found = found[key]
    return found


@pytest.mark.parametrize("name", sorted(AGCH.search_ranges()))
def test_each_range_is_of_a_parameter_whose_committed_value_lies_inside(name):
    assert parse(AGCH.search_ranges()).params[name].holds(committed(name))


def test_the_committed_values_are_a_trial_that_could_be_asked_for():
    space = parse(AGCH.search_ranges())
    assert space.holds({name: committed(name) for name in space.params})


def test_the_training_accepts_whatever_is_asked():
    engine = RandomEngine(parse(AGCH.search_ranges()), ["maximize"])
    for number in range(100):
        params = yaml.safe_load((ROOT / "params.yaml").read_text())
        for key, value in engine.ask(number).items():
            put(params, key, value)
        read_params(TrainParams, params["train"], "train")


def test_what_makes_trials_cheaper_are_parameters_that_are_not_searched():
    assert type(committed(AGCH.epochs)) is int and committed(AGCH.subset) == 1.0
    assert not {AGCH.epochs, AGCH.subset} & set(AGCH.search_ranges())
    assert all(key.startswith(AGCH.sections) for key in (AGCH.epochs, AGCH.subset))


def test_the_objectives_are_in_the_committed_metrics_and_of_the_validation_rows():
    for written in AGCH.objectives:
        objective = parse_objective(written)
        score = objective.score(lambda path: (ROOT / path).read_text(encoding="utf-8"))
        assert 0 < score < 1 and objective.direction == "maximize"
        assert all(key.startswith("validation.") for key in objective.keys)


@pytest.fixture(scope="module")
def stages():
    """Those of dvc.yaml by their commands, in the order of the adapter."""
    found = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    by_command = {stage["cmd"]: stage for stage in found.values()}
    return [by_command[" ".join(command)] for command in AGCH.commands]


def outs(stage):
    return {
        path
        for out in [*stage.get("outs", []), *stage.get("metrics", [])]
        for path in ([out] if isinstance(out, str) else out)
    }


def test_the_commands_find_all_that_they_read(stages):
    made = set()
    for stage in stages:
        for needed in stage["deps"]:
            assert needed in made or needed in AGCH.inputs or needed.split("/")[0] in AGCH.inputs
        made |= outs(stage)
    assert {parse_objective(each).file for each in AGCH.objectives} <= made
    assert not {path.split("/")[0] for path in made} & {*AGCH.inputs}, "inputs are not written to"


def test_the_inputs_are_in_the_repository_or_made_by_the_pipeline():
    pipeline = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"].values()
    made = set().union(*(outs(stage) for stage in pipeline))
    for source in AGCH.inputs:
        assert (ROOT / source).exists() or source in made


def test_the_sections_are_what_the_commands_heed(stages):
    heeded = {name for stage in stages for name in stage["params"]}
    assert {section.split(".")[0] for section in AGCH.sections} <= heeded
    assert all(name.startswith(AGCH.sections) for name in AGCH.search_ranges())
