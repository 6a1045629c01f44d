"""Specs of charts: what Vega-Lite needs, the data as given, more than colour to tell series by."""

import json
import math

import pytest
import vl_convert

from agch.charts import (
    COLOURS,
    DASHES,
    OTHER,
    OTHER_COLOUR,
    SHAPES,
    About,
    Point,
    bit_chart,
    histogram,
    line_chart,
    scatter,
)

ABOUT = About("Precision at k", "The higher, the better.", "k", "precision")
X, YS = [1, 10, 100], {"i2t": [0.7, 0.6, 0.25], "t2i": [0.8, 0.7, 0.5]}
POINTS = [
    Point(0.0, 1.0, "animals", "image", "a frog"),
    Point(0.5, 1.0, "animals", "text", "a frog"),
    Point(1.0, -1.0, "food", "image", "an apple"),
]
CHARTS = {
    "line": line_chart(ABOUT, X, YS),
    "log": line_chart(ABOUT, X, YS, log_x=True, row_order=True),
    "one": line_chart(ABOUT, X, {"loss": [3.0, 2.0, 1.0]}),
    "histogram": histogram(ABOUT, [0, 1, 2], {"relevant": [0.5, 0.5, 0], "irrelevant": [0, 0, 1]}),
    "bits": bit_chart(ABOUT, [0.5, 0.25, 0.75]),
    "scatter": scatter(ABOUT, POINTS),
}


def channels(chart):
    """Encodings of a spec and of its layers in one, the first of a kind."""
    parts = [chart.spec, *chart.spec.get("layer", [])]
    return {n: c for part in reversed(parts) for n, c in part.get("encoding", {}).items()}


@pytest.mark.parametrize("name", CHARTS)
def test_every_spec_is_drawn_by_vega_lite(name):
    spec = json.loads(json.dumps(CHARTS[name].spec, allow_nan=False))
    assert spec["$schema"] == "https://vega.github.io/schema/vega-lite/v6.json"
    assert spec["width"] == "container"
    svg = vl_convert.vegalite_to_svg(spec, vl_version="6.4")
    assert ">precision</text>" in svg
    assert ">k</text>" in svg


@pytest.mark.parametrize("name", CHARTS)
def test_every_spec_has_axes_a_tooltip_and_a_description(name):
    chart = CHARTS[name]
    found = channels(chart)
    assert (found["x"]["title"], found["y"]["title"]) == ("k", "precision")
    assert found["tooltip"]
    assert chart.spec["description"].startswith("Precision at k. ")
    fields = {field for row in chart.spec["data"]["values"] for field in row}
    assert {channel["field"] for channel in found.values() if "field" in channel} <= fields
    assert {channel["field"] for channel in found["tooltip"]} <= fields


@pytest.mark.parametrize("name", CHARTS)
def test_text_takes_the_colour_of_the_page(name):
    config = CHARTS[name].spec["config"]
    assert config["background"] == "transparent"
    axis, legend = config["axis"], config["legend"]
    for colour in (axis["labelColor"], axis["titleColor"], legend["labelColor"]):
        assert colour == "currentColor"


def test_a_line_chart_holds_each_number_and_its_table_too():
    chart = line_chart(ABOUT, X, YS)
    drawn = {(r["series"], r["x"]): r["y"] for r in chart.spec["data"]["values"]}  # a row a point
    assert drawn == {(name, x): y for name, ys in YS.items() for x, y in zip(X, ys, strict=True)}
    assert list(chart.columns) == ["k", "i2t", "t2i"]
    assert list(chart.rows) == [(1, 0.7, 0.8), (10, 0.6, 0.7), (100, 0.25, 0.5)]


def test_the_description_tells_where_each_line_begins_and_ends():
    told = line_chart(ABOUT, X, YS).spec["description"]
    assert "i2t from 0.7 at 1 to 0.25 at 100" in told
    assert "t2i from 0.8 at 1 to 0.5 at 100" in told


def test_lines_differ_in_colour_and_dash_in_the_order_given():
    found = channels(line_chart(ABOUT, X, {"t2i": YS["t2i"], "i2t": YS["i2t"]}))
    for channel, looks in (("color", COLOURS), ("strokeDash", DASHES)):
        scale = found[channel]["scale"]
        assert scale == {"domain": ["t2i", "i2t"], "range": list(looks[:2])}
        assert found[channel]["legend"]
    assert len(set(DASHES)) == len(DASHES) == len(set(COLOURS)) == len(COLOURS)


def test_a_single_line_needs_no_legend():
    assert channels(CHARTS["one"])["color"]["legend"] is None


def test_x_is_logarithmic_only_if_asked():
    assert channels(CHARTS["log"])["x"]["scale"]["type"] == "log"
    assert "type" not in channels(CHARTS["line"])["x"]["scale"]


def test_points_are_joined_by_row_only_if_asked():
    assert channels(CHARTS["log"])["order"]["field"] == "row"
    assert "order" not in channels(CHARTS["line"])
    chart = line_chart(ABOUT, [3, 1, 2], {"i2t": [0.1, 0.2, 0.3]}, row_order=True)
    assert [(r["row"], r["x"]) for r in chart.spec["data"]["values"]] == [(0, 3), (1, 1), (2, 2)]


def test_a_series_has_no_point_where_its_value_is_none():
    chart = line_chart(ABOUT, [1, 2, 3], {"i2t": [0.5, None, None], "t2i": [None, 0.25, 1.0]})
    drawn = [(r["series"], r["x"], r["y"]) for r in chart.spec["data"]["values"]]
    assert drawn == [("i2t", 1, 0.5), ("t2i", 2, 0.25), ("t2i", 3, 1.0)]
    assert list(chart.rows) == [(1, 0.5, None), (2, None, 0.25), (3, None, 1.0)]
    assert "t2i from 0.25 at 2 to 1 at 3" in chart.spec["description"]


def test_a_histogram_lays_series_over_each_other():
    chart = CHARTS["histogram"]
    assert channels(chart)["y"]["stack"] is None
    assert {layer["mark"]["interpolate"] for layer in chart.spec["layer"]} == {"step"}
    assert "irrelevant is highest at 2" in chart.spec["description"]


def test_bars_of_bits_stand_on_one_half_and_count_from_1():
    chart = CHARTS["bits"]
    assert channels(chart)["y2"] == {"datum": 0.5}
    assert channels(chart)["y"]["scale"] == {"domain": [0, 1]}
    assert chart.spec["layer"][1]["encoding"] == {"y": {"datum": 0.5}}  # a line across
    assert list(chart.rows) == [(1, 0.5), (2, 0.25), (3, 0.75)]


def test_points_have_a_colour_by_label_and_a_shape_by_modality():
    chart = CHARTS["scatter"]
    found = channels(chart)
    assert found["color"]["scale"] == {"domain": ["animals", "food"], "range": list(COLOURS[:2])}
    assert found["shape"]["scale"] == {"domain": ["image", "text"], "range": list(SHAPES[:2])}
    assert list(chart.rows)[2] == ("an apple", "food", "image", 1.0, -1.0)


def test_rare_labels_share_a_colour_and_keep_their_name():
    labels = [label for n, label in enumerate("abcdefg") for _ in range(9 - n)] + [OTHER] * 20
    chart = scatter(ABOUT, [Point(0.0, 0.0, label, "image", "") for label in labels])
    scale = channels(chart)["color"]["scale"]
    assert scale == {"domain": [*"abcde", OTHER], "range": [*COLOURS, OTHER_COLOUR]}
    rows = chart.spec["data"]["values"]
    assert {r["label"] for r in rows if r["colour"] == OTHER} == {"f", "g", OTHER}


@pytest.mark.parametrize(
    ("draw", "reason"),
    [
        (lambda: line_chart(ABOUT, X, {}), "0 series"),
        (lambda: line_chart(ABOUT, X, {str(n): [1, 2, 3] for n in range(6)}), "6 series"),
        (lambda: line_chart(ABOUT, X, {"i2t": [1, 2]}), "2 numbers of 'i2t' in 3 rows"),
        (lambda: line_chart(ABOUT, X, {"i2t": [None] * 3}), "0 numbers of 'i2t' in 3 rows"),
        (lambda: line_chart(ABOUT, [], {"i2t": []}), "in 0 rows"),
        (lambda: line_chart(ABOUT, X, {"i2t": [1, math.nan, 3]}), "'i2t' holds a number that is"),
        (lambda: line_chart(ABOUT, [1, math.inf, 2], {"k": [1, 2, 3]}), "'k' holds a number that"),
        (lambda: line_chart(ABOUT, [0, 1, 2], YS, log_x=True), "x is 0, which has no logarithm"),
        (lambda: histogram(ABOUT, [0, 1], {"relevant": [1.0]}), "1 numbers of 'relevant' in 2"),
        (lambda: bit_chart(ABOUT, []), "in 0 rows"),
        (lambda: scatter(ABOUT, []), "in 0 rows"),
        (
            lambda: scatter(ABOUT, [Point(0, 0, "a", str(n), "") for n in range(6)]),
            "6 modalities are too many",
        ),
    ],
)
def test_what_cannot_be_drawn_is_a_value_error_that_names_the_chart(draw, reason):
    with pytest.raises(ValueError, match=f"chart 'Precision at k': .*{reason}"):
        draw()


def luminance(colour):
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("colour", [*COLOURS, OTHER_COLOUR])
@pytest.mark.parametrize("page", ["#ffffff", "#14171b"])
def test_colours_stand_out_on_the_light_and_on_the_dark_page(colour, page):
    dark, light = sorted((luminance(colour), luminance(page)))
    assert (light + 0.05) / (dark + 0.05) >= 3
