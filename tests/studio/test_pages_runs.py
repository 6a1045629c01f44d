"""Pages of the runs: charts, one run against its baseline, where it came from."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest
from fastapi.testclient import TestClient

from studio.runs.compare import ParamRow
from studio.runs.curves import Curve
from studio.runs.model import Run
from studio.web.app import make_app
from studio.web.cells import param_cells
from studio.web.drawing import COLOURS, DASHES, curve_chart
from studio.web.pages import duration, number, signed, size, soft
from studio.web.runs import _summary

from .jobs import until
from .pictures import HERE, Searchable, project_of
from .runs_repository import call, commit, experiment

SCORE = "scores.json:deep.score"
LOSS = "/compare/curve?curve=curves/loss"


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    return project_of(tmp_path, tmp_path_factory.getbasetemp(), monkeypatch, True)


@pytest.fixture
def client(project):
    return TestClient(make_app(project), base_url=HERE)


def curve(*series):
    points = [(0.0, 1.0), (1.0, 0.5)]
    return Curve("c", "Curve", "step", "loss", "step", {name: points for name in series})


def test_a_curve_of_runs_is_a_line_for_each_of_them(client):
    spec = client.get(f"{LOSS}&run=main&run=two").json()
    rows = [(row["run"], row["x"], row["y"]) for row in spec["data"]["values"]]
    assert rows == [
        ("main", 0, 1),
        ("main", 1, 0.5),
        ("main", 2, pytest.approx(1 / 3)),
        ("two", 0, 2),
        ("two", 1, 1),
        ("two", 2, pytest.approx(2 / 3)),
    ]
    assert spec["encoding"]["color"]["scale"]["domain"] == ["main", "two"]
    assert "strokeDash" not in spec["encoding"]


def test_dash_is_the_series_of_a_few_runs_and_tells_many_runs_apart():
    few = curve_chart({"a": curve("p", "q"), "b": curve("p")}, ["a", "b"])
    assert few["encoding"]["strokeDash"]["scale"]["domain"] == ["p", "q"]
    assert "facet" not in few["encoding"]
    names = [f"r{n}" for n in range(2 * len(COLOURS))]
    many = curve_chart({name: curve("p", "q") for name in names}, names)
    colours, dashes = (many["encoding"][channel]["scale"] for channel in ("color", "strokeDash"))
    looks = list(zip(colours["range"], dashes["range"]))
    assert colours["domain"] == dashes["domain"] == names
    assert len({(colour, tuple(dash)) for colour, dash in looks}) == len(names)
    assert many["encoding"]["facet"]["field"] == "series"
    assert "facet" not in curve_chart({name: curve("p") for name in names}, names)["encoding"]


def test_a_run_has_the_same_colour_in_all_charts():
    among = ["a", "b", "c"]
    both = [curve_chart({run: curve("p") for run in of}, among) for of in (among, ["a", "c"])]
    colours = [dict(zip(*chart["encoding"]["color"]["scale"].values())) for chart in both]
    assert colours[1] == {run: colours[0][run] for run in ("a", "c")}


def test_series_that_dashes_cannot_tell_apart_have_charts_of_their_own():
    names = [f"s{n}" for n in range(len(DASHES) + 1)]
    chart = curve_chart({"a": curve(*names)}, ["a"])["encoding"]
    assert chart["facet"]["sort"] == names and "strokeDash" not in chart
    chart = curve_chart({"a": curve(*names[1:])}, ["a"])["encoding"]
    assert "facet" not in chart and len(chart["strokeDash"]["scale"]["range"]) == len(DASHES)


def test_runs_of_one_name_are_told_apart_by_their_commits(client, project):
    two = client.get("/api/v1/runs/two").json()["id"]
    commit(project, "another baseline")
    names = call(project, "git", "ls-tree", "-r", "--name-only", two).split()
    files = {name: call(project, "git", "show", f"{two}:{name}") for name in names}
    other = experiment(project, "two", files)
    client.app.state.site.runs.fresh()
    spec = client.get(f"{LOSS}&run={two}&run={other}").json()
    labels = [f"two ({two[:7]})", f"two ({other[:7]})"]
    assert spec["encoding"]["color"]["scale"]["domain"] == labels
    assert [row["run"] for row in spec["data"]["values"]] == [labels[0]] * 3 + [labels[1]] * 3
    answer = client.get("/api/v1/compare", params={"run": [two, other], "curve": "curves/loss"})
    assert list(answer.json()["curves"]["curves/loss"]) == labels


def test_what_has_changed_since_is_said_and_comes_by_itself(client, project):
    client.get("/runs")
    (project / "scores.json").write_text('{"deep": {"score": 77.5}}')
    for address in ("/runs/workspace", "/compare?run=workspace&run=two"):
        text = client.get(address).text
        assert "data-live" in text and "may be older" in text and "77.5" not in text
    until(lambda: "data-live" not in client.get("/runs/workspace").text)
    for address in ("/runs/workspace", "/compare?run=workspace&run=two"):
        assert "77.5" in client.get(address).text


def test_curves_that_were_not_in_the_cache_are_there_once_they_are(client, project):
    cache = client.app.state.site.files.cache
    digest = client.app.state.site.files.of(client.app.state.site.runs.run("two")).outs["curves"]
    place = cache.place(digest)
    place.rename(project / "away")
    text = client.get("/runs/two").text
    assert "curves is not in DVC's cache" in text and "data-chart" not in text
    (project / "away").rename(place)
    text = client.get("/runs/two").text
    assert "not in DVC" not in text and "data-chart" in text


@pytest.mark.parametrize(
    "x, ends",
    [("step", 1), ("epoch", 1), ("global_step", 1), ("Epochs", 1)]
    + [("bit", 0), ("recall", 0), ("stepwise", 0)],
)
def test_only_what_goes_on_with_time_has_an_end_and_a_best_value(x, ends):
    run = Run("1", "a", "branch")
    assert len(_summary(run, replace(curve("p"), x=x))["ends"]) == ends


def test_which_way_a_line_is_better_is_said_by_its_label_or_its_own_name():
    points = [(0.0, 3.0), (1.0, 1.0)]
    of_files = Curve("c", "C", "step", "loss", "step", {"train.csv: value": points})
    assert _summary(Run("1", "a", "branch"), of_files)["ends"][0]["best"] == 1.0


def test_a_job_may_set_parameters_of_any_file_that_has_some(client):
    form = {"kind": "run", "name": "three", "changes": "more.json:deep.er=2\r\nfit.x=3.0\r\n"}
    number = client.post("/jobs", data=form, follow_redirects=False).headers["location"][6:]
    command = client.app.state.site.board.job(number).command
    assert command[-4:] == ("-S", "more.json:deep.er=2", "-S", "fit.x=3.0")
    for change in ("more.json:deep=2", "none.json:deep.er=2", "/etc/passwd:deep=1"):
        answer = client.post("/jobs", data=form | {"name": "four", "changes": change})
        assert answer.status_code == 400 and "no parameter" in answer.text


def test_a_curve_is_served_as_data_and_as_pictures(client):
    rows = list(csv.reader(io.StringIO(client.get(f"{LOSS}&run=two&form=csv").text)))
    assert rows[0] == ["run", "series", "step", "loss"] and rows[1] == ["two", "loss", "0.0", "2.0"]
    assert "<title>loss</title>" in client.get(f"{LOSS}&run=two&form=svg").text
    assert client.get(f"{LOSS}&run=two&form=png").content[:4] == b"\x89PNG"


@pytest.mark.parametrize("query", ["curve=none&run=main", "curve=curves/loss&run=none"])
def test_a_curve_that_is_not_there_is_not_found(client, query):
    assert client.get(f"/compare/curve?{query}").status_code == 404


def test_a_run_says_what_changed_and_how_its_curves_end(client):
    text = client.get("/runs/two").text
    assert "What changed against main" in text
    assert '<th scope="row">fit.<wbr>x</th><td>1.0</td><td>2.0</td>' in text
    assert "+2" in text  # the score, 4 against 2
    assert "final 0.66667, best 0.66667 at step 2 (lower is better)" in text
    assert "not recorded" in text and "models/parts" in text
    assert "It is based on no other run." in client.get("/runs/main").text


def test_a_run_that_a_job_made_shows_its_log_and_its_time(client, project):
    board = client.app.state.site.board
    job = board.submit("run", "Experiment two", ["true"], "two")
    folder = board.folder / job.id
    (folder / "log").write_text("it went well\n")
    text = client.get("/runs/two").text
    assert f'href="/jobs/{job.id}"' in text and "it went well" in text
    board.cancel(job.id)
    assert "it went well" not in client.get("/runs/two").text


def test_metrics_are_marked_for_all_that_are_best(client):
    text = client.get("/compare?run=main&run=main&run=workspace&all=1").text
    assert "Compare 2 runs" in text  # the same one twice is one
    assert text.count('<td class="number best">2</td>') == 2


def test_an_adapter_says_of_which_metrics_less_is_better(client, monkeypatch):
    def best(address):
        return re.findall(r'<td class="number best">([^<]*)</td>', client.get(address).text)

    pair = "/compare?run=main&run=two"
    assert best(pair) == best("/runs?filter=o") == ["4"]
    monkeypatch.setattr(Searchable, "lower", ("score",))
    assert best(pair) == ["2"]
    names = re.findall(r"(?<=>)(two|workspace|main)</a>", client.get(f"/runs?sort={SCORE}").text)
    assert names == ["workspace", "main", "two"]


def test_long_numbers_are_shown_short_unless_they_would_look_the_same():
    row = ParamRow("a", ["0.123456789", "0.5", None], True, frozenset({0}))
    assert [cell["text"] for cell in param_cells(row)["cells"]] == ["0.12346", "0.5", None]
    assert param_cells(row)["cells"][0]["exact"] == "0.123456789"
    row = ParamRow("a", ["0.12345678", "0.12345679"], True, frozenset())
    assert [cell["text"] for cell in param_cells(row)["cells"]] == ["0.12345678", "0.12345679"]


def test_values_are_written_as_people_read_them():
    assert [number(value) for value in (None, True, 3, 0.123456, float("nan"), "a")] == [
        "–",
        "true",
        "3",
        "0.12346",
        "nan",
        "a",
    ]
    assert [signed(value) for value in (0.5, -0.5, 0, None)] == ["+0.5", "-0.5", "0", "–"]
    assert [size(value) for value in (None, 0, 999, 1000, 999_700, 12_345_678)] == [
        "–",
        "0 B",
        "999 B",
        "1 kB",
        "1 MB",
        "12.3 MB",
    ]
    assert [duration(value) for value in (None, 5.4, 65, 3660)] == [
        "–",
        "5 s",
        "1 min 5 s",
        "1 h 1 min",
    ]
    assert soft("a.b:<c") == "a.<wbr>b:<wbr>&lt;c"


def test_the_script_that_draws_charts_is_served_packed(client):
    plain = client.get("/vega.js", headers={"accept-encoding": "identity"})
    assert b"vegaEmbed" in plain.content and "content-encoding" not in plain.headers
    packed = client.get("/vega.js", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip" and packed.content == plain.content
