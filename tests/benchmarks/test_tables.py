"""The tables: settings that exist, means by hand, the rows of nested codes, both formats."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from agch.hyperparameters import TrainParams
from agch.schema import parse
from agch.sources import SOURCES, DataParams
from benchmarks import paper_table
from benchmarks.experiments import SETTINGS, Result, _plain, check_metrics, settings
from benchmarks.table import spread_nested
from stages.extract import ExtractParams
from stages.split import SplitParams

GOOD = yaml.safe_load((Path(__file__).parents[2] / "params.yaml").read_text(encoding="utf-8"))
ROWS = [
    (group, name)
    for group, rows in yaml.safe_load(SETTINGS.read_text(encoding="utf-8")).items()
    for name in rows
]


def overridden(overrides: dict[str, Any]) -> dict[str, Any]:
    """The committed parameters under overrides; a key that is not there is a KeyError."""
    values = deepcopy(GOOD)
    for key, value in overrides.items():
        *path, last = key.split(".")
        section = values
        for part in path:
            section = section[part]
        assert last in section, key
        section[last] = value
    return values


@pytest.mark.parametrize(("group", "name"), ROWS)
def test_every_setting_overrides_parameters_that_exist_and_gives_good_ones(
    group: str, name: str
) -> None:
    values = overridden(settings(group)[name])
    parse(TrainParams, values["train"], "train")
    parse(ExtractParams, values["extract"], "extract")
    parse(SplitParams, values["split"], "split")
    parse(DataParams, values["data"], "data")


def test_first_row_of_the_methods_is_what_is_committed() -> None:
    # the floor is measured with it
    assert next(iter(settings("methods").values())) == {}


@pytest.mark.parametrize("name", ["AGCH-1", "AGCH-2", "AGCH-3", "AGCH-4", "AGCH-5"])
def test_every_ablation_of_the_paper_is_a_setting(name: str) -> None:
    assert any(row.startswith(name) for row in settings("ablation"))


def result(*values: float, name: str = "some", bits: int = 16) -> Result:
    scores = [{d: {"map@50": value, "map": 0.0} for d in ("i2t", "t2i")} for value in values]
    return Result(name, bits, scores)


def test_a_cell_is_the_mean_and_with_several_seeds_their_deviation() -> None:
    # 0.1, 0.2, 0.3: mean 0.2; squares of 0.1, 0, 0.1 over n - 1 = 2 make 0.01, root 0.1
    assert result(0.1, 0.2, 0.3).cell("i2t", "map@50") == "0.200 ± 0.100"
    assert result(0.25).cell("i2t", "map@50") == "0.250"


def test_prefixes_of_a_nested_model_are_rows_of_their_own() -> None:
    row = result(0.5, name="nested", bits=32)
    row.scores[0]["nested"] = {
        "bits_8": result(0.1).scores[0],
        "bits_16": result(0.3).scores[0],
    }
    rows = list(spread_nested([row, result(0.4, name="separate", bits=8)]))
    told = [(each.name, each.bits, each.cell("t2i", "map@50")) for each in rows]
    assert told == [
        ("nested", 8, "0.100"),
        ("nested", 16, "0.300"),
        ("nested", 32, "0.500"),
        ("separate", 8, "0.400"),
    ]


def test_difference_is_ours_less_the_papers() -> None:
    rows = paper_table.compare([result(0.75)], {"i2t": {16: 0.865}, "t2i": {16: 0.7}})
    assert rows == [
        ("16", "i2t", "0.865", "0.750", "-0.115"),
        ("16", "t2i", "0.700", "0.750", "+0.050"),
    ]


def test_data_that_the_paper_has_not_get_a_dash() -> None:
    assert paper_table.compare([result(0.75)], {})[0] == ("16", "i2t", "-", "0.750", "-")


def test_both_formats_hold_every_row_and_say_how_to_run_them_again() -> None:
    rows = paper_table.compare([result(0.7, 0.8)], {"i2t": {16: 0.865}, "t2i": {16: 0.7}})
    note = paper_table.provenance("openclipart", 2)
    markdown, latex = paper_table.markdown(rows, note), paper_table.latex(rows, note)
    assert "| 16 | i2t | 0.865 | 0.750 ± 0.071 | -0.115 |" in markdown
    assert r"16 & i2t & 0.865 & 0.750 $\pm$ 0.071 & $-$0.115 \\" in latex
    for text in (markdown, latex):
        assert "python -m benchmarks.paper_table openclipart --seeds 2" in text
        assert "torch" in text


def test_published_numbers_are_four_a_direction() -> None:
    for printed in paper_table.PUBLISHED.values():
        assert {d: list(values) for d, values in printed.items()} == {
            d: paper_table.LENGTHS for d in ("i2t", "t2i")
        }


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (True, "true"), (False, "false"), (None, "null"), (0.5, "0.5")]
    + [([8, 16], "[8,16]"), ("sgd", "sgd")],
)
def test_values_are_written_as_overrides_read_them(value: object, text: str) -> None:
    assert _plain(value) == text


def test_the_papers_settings_are_of_known_sources() -> None:
    for name, overrides in settings("paper").items():
        assert overrides.get("data.source", "openclipart") == name and name in SOURCES


def test_a_table_of_metrics_that_are_not_measured_is_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    check_metrics()
    told = {"evaluate": {"metrics": ["map", "p@1"]}}
    monkeypatch.setattr("benchmarks.experiments.params.read", lambda: told)
    with pytest.raises(SystemExit, match="tables show map@50, but evaluate.metrics is map, p@1;"):
        check_metrics()


def test_with_one_seed_a_row_can_tell_the_margin_over_its_queries() -> None:
    scores = {"i2t": {"map": 0.25, "expected": {"map": 0.5}, "margin": {"map": 0.0625}}}
    row = Result("some", 16, [scores])
    assert row.sure("i2t", "map") == "0.250 ± 0.062"
    assert (row.cell("i2t", "map"), row.cell("i2t", "expected map")) == ("0.250", "0.500")
