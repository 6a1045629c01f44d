"""Curves of a run: what its own `dvc.yaml` declares, in every form that DVC knows."""

from __future__ import annotations

import json
import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from studio.errors import StudioError
from studio.runs.curves import curves
from studio.runs.files import RunFiles
from studio.runs.model import Run
from studio.runs.tables import number, table

from . import runs_repository
from .runs_repository import call, head, ref


class Tree:
    """Files in memory."""

    outs = {}

    def __init__(self, pipeline, files, folder=""):
        self.pipelines = {folder: yaml.safe_load(pipeline)}
        self.files = files

    def read(self, path):
        if path not in self.files:
            raise StudioError("no file")
        return self.files[path].encode()

    def under(self, folder):
        return sorted(path for path in self.files if path.startswith(f"{folder}/"))


CSV = "step,loss,score\n0,4,1\n1,2,3\n2,1,9\n"
LOSS = [(0, 4), (1, 2), (2, 1)]
SCORE = [(0, 1), (1, 3), (2, 9)]


def drawn(pipeline, **files):
    """All curves, with files by names in which __ stands for a point."""
    found = {name.replace("__", "."): text for name, text in files.items()}
    return curves(Tree(pipeline, found))


@pytest.mark.parametrize(
    "plot, expected",
    [
        ("- f.csv", {"score": SCORE}),  # the last column, over the steps that there are
        ("- f.csv:", {"score": SCORE}),
        ("- f.csv: {y: loss}", {"loss": LOSS}),
        ("- f.csv: {x: step, y: [loss, score]}", {"loss": LOSS, "score": SCORE}),
        ("- p: {x: step, y: {f.csv: loss}}", {"loss": LOSS}),
        ("- p: {x: step, y: {f.csv: [loss, score]}}", {"loss": LOSS, "score": SCORE}),
        ("- p: {x: {f.csv: step}, y: {f.csv: [loss, score]}}", {"loss": LOSS, "score": SCORE}),
        ("- p: {x: score, y: {f.csv: loss}}", {"loss": [(1, 4), (3, 2), (9, 1)]}),
        ("  p: {x: step, y: {f.csv: score}}", {"score": SCORE}),  # not as a list
    ],
)
def test_every_form_of_a_plot_leads_to_the_same_columns(plot, expected):
    [curve] = drawn(f"plots:\n  {plot}", f__csv=CSV)
    assert curve.series == expected
    assert curve.id == plot.strip("- ").partition(":")[0]


ROWS = [{"step": step, "loss": loss} for step, loss in LOSS]


@pytest.mark.parametrize(
    "name, text",
    [
        ("f.csv", "step,loss\n0,4\n1,2\n2,1\n"),
        ("f.csv", "\ufeffstep,loss\r\n0,4\r\n1,2\r\n2,1"),
        ("f.tsv", "step\tloss\n0\t4\n1\t2\n2\t1\n"),
        ("f.json", json.dumps(ROWS)),
        ("f.json", json.dumps({"deep": {"other": [{"a": 1}], "rows": ROWS}})),
        ("f.yaml", yaml.safe_dump(ROWS)),
        ("f.yml", yaml.safe_dump({"rows": ROWS})),
    ],
)
def test_every_format_of_a_table_leads_to_the_same_points(name, text):
    tree = Tree(f"plots: [{{p: {{x: step, y: {{{name}: loss}}}}}}]", {name: text})
    [curve] = curves(tree)
    assert curve.series == {"loss": LOSS}


def test_rows_count_where_there_is_neither_x_nor_step():
    [curve] = drawn("plots: [f.csv]", f__csv="loss\n4\n2\n1\n")
    assert curve.series == {"loss": LOSS}
    assert (curve.x, curve.x_label) == ("step", "step")


def test_labels_are_those_declared_or_else_the_columns():
    said = "title: T, x_label: X, y_label: Y"
    [curve] = drawn(f"plots: [p: {{x: step, y: {{f.csv: loss}}, {said}}}]", f__csv=CSV)
    assert (curve.title, curve.x_label, curve.y_label, curve.x) == ("T", "X", "Y", "step")
    [curve] = drawn("plots: [p: {x: score, y: {f.csv: loss}}]", f__csv=CSV)
    assert (curve.title, curve.x_label, curve.y_label) == ("p", "score", "loss")
    [curve] = drawn("plots: [p: {x: step, y: {f.csv: [loss, score]}}]", f__csv=CSV)
    assert curve.y_label == "p"


def test_x_may_lie_in_another_file_of_as_many_rows():
    plot = "plots: [p: {x: {x.csv: t}, y: {f.csv: loss}}]"
    [curve] = drawn(plot, f__csv=CSV, x__csv="t\n5\n6\n7\n")
    assert curve.series == {"loss": [(5, 4), (6, 2), (7, 1)]}
    assert drawn(plot, f__csv=CSV, x__csv="t\n5\n6\n") == []
    assert drawn(plot, f__csv=CSV) == []


def test_columns_of_one_name_in_two_files_are_told_apart_by_their_files():
    plot = "plots: [p: {x: step, y: {a/f.csv: [loss, score], b/f.csv: loss}}]"
    tree = Tree(plot, {"a/f.csv": CSV, "b/f.csv": "step,loss\n0,7\n"})
    [curve] = curves(tree)
    assert curve.series == {"a/f.csv: loss": LOSS, "score": SCORE, "b/f.csv: loss": [(0, 7)]}


def test_every_table_of_a_folder_is_a_curve_of_its_own():
    files = {
        "live/loss.tsv": "timestamp\tstep\tloss\n17\t0\t4\n18\t1\t2\n19\t2\t1\n",
        "live/deep/score.tsv": "step\tscore\n0\t1\n1\t3\n2\t9\n",
        "live/picture.png": "x",
        "live/words.tsv": "step\tword\n0\ta\n",
        "lives/other.tsv": "step\tother\n0\t1\n",
    }
    found = curves(Tree("plots: [live: {x: step}]", files))
    assert [(curve.id, curve.title, curve.series) for curve in found] == [
        ("live/deep/score", "deep/score", {"score": SCORE}),
        ("live/loss", "loss", {"loss": LOSS}),
    ]
    assert {(curve.x, curve.x_label, curve.y_label) for curve in found} == {
        ("step", "step", "score"),
        ("step", "step", "loss"),
    }
    assert [curve.series for curve in curves(Tree("plots: [live]", files))] == [
        {"score": SCORE},
        {"loss": LOSS},
    ]


def test_rows_with_the_same_x_are_told_apart_by_a_text():
    text = "step,term,loss\n0,a,1\n0,b,2\n1,a,3\n1,b,4\n"
    [curve] = drawn("plots: [p: {x: step, y: {f.csv: loss}}]", f__csv=text)
    assert curve.series == {"a": [(0, 1), (1, 3)], "b": [(0, 2), (1, 4)]}
    # where x alone tells them apart, a text tells nothing
    text = "step,note,loss\n0,a,1\n1,b,2\n2,a,3\n"
    [curve] = drawn("plots: [p: {x: step, y: {f.csv: loss}}]", f__csv=text)
    assert curve.series == {"loss": [(0, 1), (1, 2), (2, 3)]}


@pytest.mark.parametrize(
    "text",
    [
        "step,loss\n0,4\n1,high\n",  # text
        "step,loss\nzero,4\none,2\n",
        "step,loss\n1,4\n0,2\n",  # goes back: no line but points
        "step,loss\n",  # no rows
        "",
        "step,other\n0,1\n",  # no such column
        "step,loss\n0,true\n",
        "\0\0",
    ],
)
def test_what_is_no_line_of_numbers_is_passed_over_and_the_others_stay(text):
    plots = "plots: [p: {x: step, y: {f.csv: loss}}, q: {x: step, y: {g.csv: loss}}]"
    assert [curve.id for curve in drawn(plots, f__csv=text, g__csv=CSV)] == ["q"]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "{}", "3", '"a"', "[1, 2]", "[[]]", '[{"step": 0, "loss": {}}]', "[" * 9999],
)
@pytest.mark.parametrize("name", ["f.json", "f.yaml"])
def test_json_and_yaml_without_such_a_table_are_passed_over(name, text):
    assert curves(Tree(f"plots: [p: {{x: step, y: {{{name}: loss}}}}]", {name: text})) == []


@pytest.mark.parametrize(
    "pipeline",
    [
        "",
        "[]",
        "1",
        "plots:",
        "plots: f.csv",
        "plots: 3",
        "plots: [3]",
        "plots: [[f.csv]]",
        "plots: [{}]",
        "plots: [p: 4]",
        "plots: [p: {y: 4}]",
        "plots: [p: {y: {f.csv: {}}}]",
        "plots: [p: {y: {f.csv: []}}]",
        "plots: [p: {x: {f.csv: []}, y: {f.csv: loss}}]",
        "plots: [p: {x: [step], y: none}]",
        "plots: [../f.csv, /f.csv]",
        "stages: []",
        "stages: {a: 1, b: {plots: 1}}",
    ],
)
def test_a_pipeline_of_another_shape_has_no_curves_or_some(pipeline):
    for curve in drawn(pipeline, f__csv=CSV):
        assert curve.series


def test_templates_that_draw_no_lines_are_passed_over_and_own_ones_are_not():
    names = ["confusion", "confusion_normalized", "scatter", "bar_horizontal", "smooth", "mine"]
    plots = [{name: {"template": name, "x": "step", "y": {"f.csv": "loss"}}} for name in names]
    found = drawn(json.dumps({"plots": plots}), f__csv=CSV)
    assert [curve.id for curve in found] == ["smooth", "mine"]


def test_plots_of_stages_and_of_pipelines_in_folders_are_found():
    pipeline = "stages: {a: {wdir: w, plots: [f.csv, g.csv: {y: loss}]}}\nplots: [h.csv]"
    files = {"in/w/f.csv": CSV, "in/w/g.csv": CSV, "in/h.csv": CSV}
    found = {curve.id: curve.series for curve in curves(Tree(pipeline, files, "in"))}
    assert found == {
        "in/h.csv": {"score": SCORE},
        "in/w/f.csv": {"score": SCORE},
        "in/w/g.csv": {"loss": LOSS},
    }


def test_points_that_are_missing_or_not_finite_are_left_out():
    text = "step,loss\n0,4\n1,nan\n2,\n3,inf\n4,1e-05\n5,-inf\n"
    [curve] = drawn("plots: [p: {x: step, y: {f.csv: loss}}]", f__csv=text)
    assert curve.series == {"loss": [(0, 4), (4, 1e-05)]}
    rows = json.dumps([{"step": 0, "loss": 4}, {"step": 1, "loss": None}, {"step": 2}])
    [curve] = drawn("plots: [p: {x: step, y: {f.json: loss}}]", f__json=rows)
    assert curve.series == {"loss": [(0, 4)]}


FLOATS = st.floats(allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=8))
def test_numbers_arrive_to_the_last_digit(points):
    points = sorted(dict(points).items())
    text = "x,y\n" + "".join(f"{x!r},{y!r}\n" for x, y in points)
    [curve] = drawn("plots: [p: {x: x, y: {f.csv: y}}]", f__csv=text)
    assert curve.series == {"y": points}


def test_a_cell_is_a_number_a_gap_or_neither():
    assert [number(cell) for cell in ("1", " 1.5 ", 2, "-inf")] == [1, 1.5, 2, -math.inf]
    assert all(math.isnan(number(cell)) for cell in (None, "", "nan"))
    assert [number(cell) for cell in ("a", True, "true", [], {}, 10**400)] == [None] * 6


def test_what_its_name_does_not_say_is_one_clear_error():
    for name, content in (("a.csv", b"\xff\xfe\x00"), ("a.json", b"{"), ("a.yaml", b"a: [")):
        with pytest.raises(StudioError, match=f"cannot read {name}"):
            table(name, content, [])


def test_the_curves_of_a_commit_come_from_its_own_files(tmp_path_factory):
    folder = runs_repository.repository(tmp_path_factory.getbasetemp())
    files = RunFiles(folder)
    two = call(folder, "git", "rev-parse", ref(folder, "two")).strip()
    for run, x in ((Run(head(folder), "main", "branch"), 1), (Run(two, "two", "experiment"), 2)):
        [curve] = curves(files.of(run))
        assert (curve.id, curve.title, curve.x) == ("curves/loss", "loss", "step")
        assert curve.series == {"loss": [(0, x), (1, x / 2), (2, x / 3)]}
