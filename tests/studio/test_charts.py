"""Charts of a study: what is drawn where, what is only counted, and files that can be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from xml.etree import ElementTree

import pytest
import vl_convert
from hypothesis import given
from hypothesis import strategies as st

from studio.charts import COMPLETE, FRONT, LOOKS, PRUNED, SO_FAR, history, pareto, svg
from studio.errors import StudioError
from studio.trials import Trial

SVG = "{http://www.w3.org/2000/svg}"
ENDED = {"failed": Trial(4, {}, "failed"), "cancelled": Trial(5, {}, "cancelled")}
TRIALS = [
    Trial(0, {}, "complete", (2.0,)),
    Trial(1, {}, "complete", (1.0,), {0: 9.0}),
    Trial(2, {}, "pruned", (), {10: 2.5, 2: 7.0}),
    Trial(3, {}, "complete", (3.0,)),
    *ENDED.values(),
    Trial(6, {}, "complete", (2.0,)),
    Trial(7, {}, "pruned", (), {0: 0.5}),
    Trial(8, {}, "running", (), {0: 5.0}),
]
PAIRS = [(1.0, 5.0), (2.0, 4.0), (2.0, 5.0), (3.0, 3.0), (1.0, 1.0), (2.0, 5.0)]


def drawn(trials=TRIALS, objective="out.json:score", direction="maximize"):
    return history("s", trials, objective, direction)


def places(rows, kind, across="trial", up="score"):
    return [(row[across], row[up]) for row in rows if row["kind"] == kind]


def points(spec, *where):
    return places(spec["data"]["values"], *where)


def steps(spec):
    line, _ = spec["layer"]
    assert line["mark"]["interpolate"] == "step-after"
    return places(line["data"]["values"], SO_FAR)


def looks(spec):
    """Colour and shape of each kind that the legend names."""
    encoding = spec["layer"][1]["encoding"] if "layer" in spec else spec["encoding"]
    color, shape = (encoding[name]["scale"] for name in ("color", "shape"))
    assert color["domain"] == shape["domain"]
    assert {encoding[name]["field"] for name in ("color", "shape")} == {"kind"}
    return {k: look for k, *look in zip(color["domain"], color["range"], shape["range"])}


def two(scores=PAIRS, directions=("maximize", "maximize")):
    trials = [Trial(number, {}, "complete", each) for number, each in enumerate(scores)]
    objectives = [f"out.json:{word}" for word, _ in zip("abc", directions)]
    return pareto("s", [*trials, Trial(len(trials), {}, "failed")], objectives, directions)


def front(spec):
    return {row["trial"] for row in spec["data"]["values"] if row["kind"] == FRONT}


def test_complete_trials_are_points_at_their_scores():
    assert points(drawn(), COMPLETE) == [(0, 2.0), (1, 1.0), (3, 3.0), (6, 2.0)]


def test_pruned_trials_are_points_of_their_own_at_their_last_report():
    assert points(drawn(), PRUNED) == [(2, 2.5), (7, 0.5)]
    assert PRUNED == "pruned, last report"
    assert len(drawn()["data"]["values"]) == 6


@pytest.mark.parametrize("reports", [{}, {0: 1.0, 1: float("nan")}, {3: float("inf")}])
def test_a_pruned_trial_whose_last_report_is_no_number_is_only_counted(reports):
    spec = drawn([TRIALS[0], Trial(1, {}, "pruned", (), reports)])
    assert points(spec, PRUNED) == [] and list(looks(spec)) == [COMPLETE, SO_FAR]
    assert spec["description"].endswith("Trials: 1 complete, 1 pruned; 1 of them not drawn.")


@pytest.mark.parametrize(
    "direction, tops, told",
    [
        ("maximize", [2.0, 2.0, 3.0, 3.0, 3.0], "higher is better; the best is 3"),
        ("minimize", [2.0, 1.0, 1.0, 1.0, 1.0], "lower is better; the best is 1"),
    ],
)
def test_the_line_is_the_best_complete_score_so_far_up_to_the_last_point(direction, tops, told):
    spec = drawn(direction=direction)
    assert steps(spec) == list(zip([0, 1, 3, 6, 7], tops))
    assert spec["title"] == {"text": "Study s", "subtitle": told}


@given(
    st.lists(st.tuples(st.sampled_from(["complete", "pruned", "failed"]), st.integers(-9, 9))),
    st.sampled_from(["maximize", "minimize"]),
)
def test_at_every_point_the_line_is_no_worse_than_any_complete_trial_before(states, direction):
    trials = [
        Trial(n, {}, state, (float(score),) if state == "complete" else (), {0: float(score)})
        for n, (state, score) in enumerate(states)
    ]
    if all(state == "failed" for state, _ in states):
        with pytest.raises(StudioError):
            drawn(trials, direction=direction)
        return
    spec, done = drawn(trials, direction=direction), {}
    best = max if direction == "maximize" else min
    for trial in trials:
        if trial.state == "complete":
            done[trial.number] = best([trial.scores[0], *done.values()])
    line = steps(spec)
    assert dict(line) | done == dict(line) and set(dict(line).values()) == set(done.values())
    last = [t.number for t in trials if t.state != "failed"][-1]
    assert [place for place, _ in line] == [*done, *[last] * bool(done)]


def test_what_is_not_drawn_is_counted_in_the_description():
    assert drawn()["description"] == (
        "Study s: out.json:score of each trial; higher is better; the best is 3. "
        "Trials: 4 complete, 2 pruned, 1 failed, 1 cancelled, 1 running; 3 of them not drawn."
    )
    assert drawn(TRIALS[:1])["description"].endswith("Trials: 1 complete; 0 of them not drawn.")


def test_the_axes_are_called_trial_and_as_the_objective_is_written():
    encoding = drawn(objective="min:out.json:a.b,c")["encoding"]
    assert (encoding["x"]["title"], encoding["x"]["field"]) == ("trial", "trial")
    assert (encoding["y"]["title"], encoding["y"]["field"]) == ("min:out.json:a.b,c", "score")
    encoding = two()["encoding"]
    assert [encoding[axis]["title"] for axis in "xy"] == ["out.json:a", "out.json:b"]
    assert [encoding[axis]["field"] for axis in "xy"] == ["first", "second"]


@pytest.mark.parametrize(
    "directions, expected",
    [
        (("maximize", "maximize"), {2, 3, 5}),
        (("maximize", "minimize"), {3, 4}),
        (("minimize", "minimize"), {4}),
        (("minimize", "maximize"), {0}),
    ],
)
def test_of_two_objectives_those_that_none_beats_stand_out(directions, expected):
    spec = two(directions=directions)
    assert front(spec) == expected
    found = points(spec, FRONT, "first", "second") + points(spec, COMPLETE, "first", "second")
    assert sorted(found) == sorted(PAIRS)
    words = {"maximize": "higher", "minimize": "lower"}
    x, y = (words[direction] for direction in directions)
    assert spec["title"]["subtitle"] == f"x: {x} is better, y: {y} is better"
    assert spec["description"] == (
        f"Study s: out.json:b over out.json:a, {len(expected)} beaten by none; "
        f"x: {x} is better, y: {y} is better. Trials: 6 complete, 1 failed; 1 of them not drawn."
    )


def test_a_third_objective_decides_too_and_is_told():
    # by the first two alone the second trial would be beaten
    spec = two([(2.0, 2.0, 0.0), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)], ("maximize",) * 3)
    assert front(spec) == {0, 1}
    assert spec["title"]["subtitle"].endswith("y: higher is better; all 3 objectives decide")


@pytest.mark.parametrize(
    "trials", [[], list(ENDED.values()), [Trial(0, {}, "running", (), {0: 1.0})]]
)
def test_a_study_with_nothing_to_draw_says_so(trials):
    reason = "^study 's' has no complete trial yet; there is nothing to draw$"
    with pytest.raises(StudioError, match=reason):
        drawn(trials)
    with pytest.raises(StudioError, match=reason):
        pareto("s", trials, ["a:b", "a:c"], ["maximize", "minimize"])


def test_the_legend_has_the_kinds_that_there_are_each_with_a_look_of_its_own():
    assert list(looks(drawn())) == [COMPLETE, PRUNED, SO_FAR]
    assert list(looks(drawn([TRIALS[7]]))) == list(looks(drawn([TRIALS[2]]))) == [PRUNED]
    assert list(looks(two())) == [COMPLETE, FRONT]
    for spec in (drawn(), two()):
        for look in zip(*looks(spec).values()):
            assert len({*look}) == len(looks(spec))


def contrast(first, second):
    """As WCAG 2.2 defines it."""

    def light(color):
        parts = [int(color[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (
            p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts
        )
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    dark, bright = sorted([light(first), light(second)])
    return (bright + 0.05) / (dark + 0.05)


def test_colours_stand_out_from_white_and_from_near_black():
    assert contrast("#ffffff", "#000000") == pytest.approx(21)
    for color, _ in LOOKS.values():
        assert contrast(color, "#ffffff") >= 3 and contrast(color, "#16181b") >= 3


CHARTS = {
    "history": drawn(),
    "one trial": drawn(TRIALS[:1]),
    "only pruned": drawn([TRIALS[2]]),
    "pareto": two(),
}


@pytest.mark.parametrize("name", CHARTS)
def test_a_file_has_its_words_on_white(name):
    spec = CHARTS[name]
    root = ElementTree.fromstring(svg(spec))
    texts = {element.text for element in root.iter(f"{SVG}text")}
    titles = {spec["encoding"][axis]["title"] for axis in "xy"}
    assert titles | {*looks(spec)} | {*spec["title"].values()} <= texts
    box, white = root.get("viewBox").split(), root.find(f"{SVG}rect")
    assert (white.get("fill"), [white.get("width"), white.get("height")]) == ("white", box[2:])
    assert "currentColor" not in svg(spec)


@pytest.mark.parametrize("name", CHARTS)
def test_a_file_tells_screen_readers_what_it_shows(name):
    root = ElementTree.fromstring(svg(CHARTS[name]))
    assert (root.get("role"), root.get("aria-label")) == ("img", CHARTS[name]["description"])
    assert root[0].tag == f"{SVG}title" and root[0].text == "Study s"


def test_marks_stand_where_their_numbers_are():
    root = ElementTree.fromstring(svg(drawn()))
    groups = [g for g in root.iter(f"{SVG}g") if "mark-symbol role-mark" in g.get("class", "")]
    [marks] = [[path for path in group] for group in groups]
    rows = drawn()["data"]["values"]
    assert len(marks) == len(rows) == 6
    found = [mark.get("transform")[len("translate(") : -1].split(",") for mark in marks]
    xs, ys = ([float(place[axis]) for place in found] for axis in (0, 1))
    assert [mark.get("fill") for mark in marks] == [LOOKS[row["kind"]][0] for row in rows]
    # trials 0 to 7 from left to right, with room at the edges; higher is up
    assert [(x - xs[0]) / (xs[-1] - xs[0]) * 7 for x in xs] == pytest.approx([0, 1, 2, 3, 6, 7])
    assert 10 < xs[0] < xs[-1] < 630
    heights = {row["score"]: y for row, y in zip(rows, ys)}
    assert sorted(heights, key=heights.get) == [3.0, 2.5, 2.0, 1.0, 0.5]


def test_what_is_written_of_an_objective_may_be_anything():
    objective = "min:a&b.json:<c>.\"d\",'e'"
    root = ElementTree.fromstring(svg(drawn(objective=objective)))
    assert objective in root.get("aria-label")
    assert objective in {element.text for element in root.iter(f"{SVG}text")}


def test_a_spec_is_json_and_is_not_changed_by_drawing():
    for spec in CHARTS.values():
        before = json.dumps(spec, allow_nan=False)
        svg(spec)
        assert json.dumps(spec) == before


def test_a_page_can_give_a_spec_a_width_of_its_own():
    root = ElementTree.fromstring(vl_convert.vegalite_to_svg(drawn() | {"width": 900}, "6.4"))
    usual = ElementTree.fromstring(svg(drawn()))
    assert float(root.get("width")) - float(usual.get("width")) == pytest.approx(260, abs=1)


def test_a_file_has_the_same_bytes_in_another_process():
    script = (
        "import json, sys; from studio import charts; assert 'vl_convert' not in sys.modules;"
        "sys.stdout.write(charts.svg(json.load(sys.stdin)))"
    )
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            input=json.dumps(drawn()),
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
        )
        assert done.stdout == svg(drawn()), done.stderr
