"""Pages of the studies, over a project whose adapter searches `fit.x` and `seed`."""

from __future__ import annotations

import json
import math
import re
from html.parser import HTMLParser

import pytest
from fastapi.testclient import TestClient

from studio.store import open_store
from studio.study import Study
from studio.web.app import make_app
from studio.web.dashboard import dashboard_routes
from studio.web.study_charts import parallel

from .pictures import HERE, project_of

FORM = {"name": "s", "n_trials": "4", "objective0": "scores.json:deep.score"}


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    return project_of(tmp_path, tmp_path_factory.getbasetemp(), monkeypatch, True)


@pytest.fixture
def client(project):
    return TestClient(make_app(project), base_url=HERE)  # nothing runs: its threads are not started


def study(name="s"):
    return Study(open_store(None), name)


def tried(store, name, *scores, state="complete"):
    """Complete trials with these scores, at x = 1, 2, ..."""
    for place, score in enumerate(scores):
        number = store.begin(name, 100)
        store.update(name, number, {"fit.x": place + 1.0, "seed": place}, {"started_at": 10.0})
        store.finish(name, number, state, score, {"ended": 75.0})


def create(client, **fields):
    return client.post("/studies", data=FORM | fields, follow_redirects=False)


def test_the_form_has_the_ranges_of_the_adapter_and_the_own_values(client):
    text = client.get("/studies-new").text
    assert 'name="low:fit.x" aria-label="fit.x: low" size="9" value="0.0"' in text
    assert 'name="high:fit.x" aria-label="fit.x: high" size="9" value="6.0"' in text
    assert 'name="value:fit.x" aria-label="fit.x: fixed value" size="9" value="1.0"' in text
    assert 'value="scores.json:deep.score"' in text and "<option>median</option>" in text


def test_a_value_of_the_project_is_offered_to_its_last_digit(client, project):
    params = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(params.replace("x: 1.0", "x: 0.8372969053483085"))
    assert 'value="0.8372969053483085"' in client.get("/studies-new").text


class Filled(HTMLParser):
    """The fields of a page's forms as a browser would send them."""

    def __init__(self, text):
        super().__init__()
        self.fields, self._select, self._area = {}, None, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        about = dict(attrs)
        if tag == "input" and (about.get("type") != "checkbox" or "checked" in about):
            self.fields[about["name"]] = about.get("value", "")
        elif tag == "select":
            self._select = about["name"]
        elif tag == "option" and self._select:
            if "selected" in about or self._select not in self.fields:
                self.fields[self._select] = about.get("value")
        elif tag == "textarea":
            self._area = about["name"]

    def handle_data(self, data):
        if self._area:
            self.fields[self._area] = data
        elif self._select and self.fields.get(self._select, "") is None:
            self.fields[self._select] = data

    def handle_endtag(self, tag):
        self._select = None if tag == "select" else self._select
        self._area = None if tag == "textarea" else self._area


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"mode:fit.x": "fix", "value:fit.x": "1e-05", "low:seed": "1", "high:seed": "3"},
        {"mode:seed": "leave", "low:fit.x": "0.25", "n_trials": "9", "keep": "2", "jobs": "2"},
        {"more": "fit.x={low: 0.5, high: 8.0, log: true}\nfit.seconds=[1, 2]", "seed": "7"},
        {"objective0": "scores.json:deep.odd", "direction0": "minimize", "pruner": "median"},
        {"objective1": "scores.json:deep.odd", "timeout": "2.5", "engine": "random"},
    ],
)
def test_a_study_from_another_one_starts_with_all_that_it_was(client, fields):
    made = create(client, **fields)
    assert made.status_code == 303, made.text
    form = Filled(client.get("/studies-new?earlier=s").text).fields
    assert form["earlier"] == "s"
    made = client.post("/studies", data=form | {"name": "t", "start": ""}, follow_redirects=False)
    assert made.status_code == 303, made.text
    assert study("t").settings == study().settings


def test_a_study_of_any_name_has_a_page(client):
    create(client, name="new")
    assert "Study new" in client.get("/studies/new").text


def test_a_study_that_is_not_there_is_no_start_of_another(client):
    assert client.get("/studies-new?earlier=none").status_code == 404


def test_each_parameter_is_searched_fixed_or_left_as_the_form_says(client):
    made = create(
        client,
        **{"low:fit.x": "1", "high:fit.x": "2.5", "mode:seed": "fix", "value:seed": "3"},
        more="fit.seconds={low: 0, high: 4}\n",
        objective1="scores.json:deep.odd",
        direction1="minimize",
        search_epochs="",
    )
    assert made.status_code == 303, made.text
    assert made.headers["location"] == "/studies/s"
    found = study().settings
    assert found.space == {
        "fit.x": {"low": 1, "high": 2.5},
        "seed": 3,
        "fit.seconds": {"low": 0, "high": 4},
    }
    assert found.objectives == ["scores.json:deep.score", "min:scores.json:deep.odd"]
    assert (found.n_trials, found.options, found.search_epochs) == (4, {"pruner": "none"}, None)
    create(client, name="t", pruner="median", **{"mode:seed": "leave"})
    assert study("t").settings.options == {"pruner": "median"}
    assert list(study("t").settings.space) == ["fit.x"]


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"n_trials": "many"}, "n_trials must be a number; got &#39;many&#39;"),
        ({"mode:fit.x": "fix", "value:fit.x": " "}, "fit.x is to be fixed; give the value"),
        ({"more": "fit.seconds"}, "each line is PARAMETER=RANGE"),
        ({"more": "fit.seconds={low"}, "cannot read"),
        ({"more": "fit.seconds=9999-99-99"}, "cannot read"),
        ({"more": "fit.seconds=" + "[" * 3000}, "cannot read"),
        ({"more": "fit.seconds=[&a 1, *a]"}, "an anchor or an alias"),
        ({"more": "fit.nothing={low: 0, high: 4}"}, "no parameter &#39;fit.nothing&#39;"),
        ({"name": "../s"}, "is no name for a study"),
        ({"more": "fit.x={choices: 5}"}, "choices are a list; got 5"),
        ({"more": "fit.x={low: 1, high: 2, when: 3}"}, "when is a mapping"),
        ({"more": "fit.x={low: 1, high: 2, when: [1]}"}, "when is a mapping"),
        ({"more": "fit.x={a: 1, 1: 2}"}, "unknown key &#39;a&#39;"),
        ({"objective0": "scores.json"}, "cannot read objective"),
        ({"earlier": "none"}, "no study &#39;none&#39;"),
    ],
)
def test_a_form_that_cannot_be_is_refused_with_the_reason_and_makes_nothing(client, fields, said):
    answer = create(client, **fields)
    assert answer.status_code in (400, 404) and said in answer.text
    assert open_store(None).names() == []


def test_a_new_study_takes_the_trials_of_an_earlier_one_that_fit(client):
    create(client)
    tried(study().store, "s", [1.0], [2.0], [3.0])
    assert "New study from this one" in client.get("/studies/s").text
    assert "<option selected>s</option>" in client.get("/studies-new?earlier=s").text
    create(client, name="t", earlier="s", **{"high:fit.x": "2"})
    assert [trial.notes["from"] for trial in study("t").trials()] == ["s/0", "s/1"]


def test_the_list_and_the_page_say_how_a_study_stands(client):
    assert "No study yet." in client.get("/studies").text
    create(client)
    tried(study().store, "s", [1.0], [2.5])
    tried(study().store, "s", [], state="failed")
    row = re.search(r"<tbody>(.*?)</tbody>", client.get("/studies").text, re.S)[1]
    assert "3 of 4" in row and "2.5 (trial 1)" in row and "stopped" in row
    text = client.get("/studies/s").text
    assert "3 of 4 trials made: 2 complete, 1 failed" in text
    assert "Resume: 1 trials are left" in text and "data-live" not in text
    assert text.count('<td class="number best">2.5</td>') == 1
    assert text.index('trials/2">2<') < text.index('trials/0">0<')  # newest first
    assert "importance is shown from 25 complete trials on" in text


def test_a_study_that_runs_renews_itself(client):
    create(client)
    study().store.begin("s", 4)
    text = client.get("/studies/s").text
    assert 'id="live" data-live' in text and "Resume" not in text and ">Start" not in text


def test_a_study_is_started_and_stopped_as_a_job(client):
    create(client, start="1")
    job = client.get("/api/v1/jobs").json()["items"][0]
    assert (job["kind"], job["subject"], job["state"]) == ("study", "s", "queued")
    assert "Stop" in client.get("/studies/s").text
    client.post(f"/jobs/{job['id']}/cancel")
    text = client.get("/studies/s").text
    assert "Start: 4 trials are left" in text and ">Stop<" not in text


def test_a_trial_says_its_parameters_time_and_log(client, project):
    create(client)
    tried(study().store, "s", [1.0], [2.5])
    (project / ".studio" / "logs").mkdir()
    (project / ".studio" / "logs" / "s-0001.log").write_text("<said>")
    text = client.get("/studies/s/trials/1").text
    assert "1 min 5 s" in text and "&lt;said&gt;" in text and "the best so far" in text
    assert "the best so far" not in client.get("/studies/s/trials/0").text
    assert client.get("/studies/s/trials/7").status_code == 404


def test_what_each_promotion_has_made_stays_known(client):
    create(client)
    site = client.app.state.site
    jobs = [site.board.submit("promote", "Promote", ["true"], "s").id for _ in range(2)]
    for run, job, trial in zip(("two", "main"), jobs, (3, 4)):
        site.board._found(job).change(state="done", ended="2026-11-30T10:00:00+00:00")
        study().store.note("s", f"promoted {run}", {"trial": trial, "job": job})
    for run, job, trial in zip(("two", "main"), jobs, (3, 4)):
        assert f"trial {trial} of s, with all epochs" in client.get(f"/runs/{run}").text
        assert f'href="/runs/{run}"' in client.get(f"/jobs/{job}").text
    study().store.note("s", "promoted workspace", {"trial": 5, "job": ""})  # on the command line
    assert "trial 5 of s, with all epochs" in client.get("/runs/workspace").text


def test_the_job_of_a_study_that_is_gone_is_shown(client):
    job = client.app.state.site.board.submit("promote", "Promote", ["true"], "none").id
    client.app.state.site.board._found(job).change(state="done")
    assert client.get(f"/jobs/{job}").status_code == 200


def test_what_can_be_drawn_of_a_study_depends_on_its_trials(client):
    create(client)
    assert client.get("/studies/s/charts/history").status_code == 404
    tried(study().store, "s", [1.0], [2.5])
    spec = client.get("/studies/s/charts/history").json()
    assert spec["title"]["subtitle"] == "higher is better; the best is 2.5"
    assert client.get("/studies/s/charts/pareto").status_code == 404
    picture = client.get("/studies/s/charts/history?form=svg")
    assert picture.headers["content-type"].startswith("image/svg") and "<svg" in picture.text
    assert client.get("/studies/s/charts/history?form=png").content[:4] == b"\x89PNG"
    assert client.get("/studies/s/charts/history?form=gif").status_code == 404
    create(client, name="two", objective1="scores.json:deep.odd", direction1="minimize")
    tried(study("two").store, "two", [1.0, 1.0], [2.0, 2.0], [1.0, 2.0])
    kinds = [
        row["kind"] for row in client.get("/studies/two/charts/pareto").json()["data"]["values"]
    ]
    assert kinds == ["complete, beaten by none"] * 2 + ["complete"]


def test_charts_are_drawn_anew_when_a_trial_has_ended_and_not_before(client):
    def address():
        return re.search(r'data-chart="([^"]*history[^"]*)"', client.get("/studies/s").text)[1]

    create(client)
    store = study().store
    tried(store, "s", [1.0])
    seen, number = [address()], store.begin("s", 4)
    store.update("s", number, {"fit.x": 2.0, "seed": 1}, {})
    store.report("s", number, 0, 0.5)
    seen.append(address())
    store.finish("s", number, "pruned", [], {})  # it is drawn with its last report from now on
    seen.append(address())
    assert seen[0] == seen[1] != seen[2]


def test_parallel_coordinates_lie_where_the_values_lie_in_their_ranges(client):
    create(client, more="fit.seconds={low: 0.01, high: 100.0, log: true}\n")
    store = study().store
    number = store.begin("s", 4)
    store.update("s", number, {"fit.x": 1.5, "seed": 5, "fit.seconds": 1.0}, {})
    store.finish("s", number, "complete", [7.0], {})
    rows = parallel(study(), study().trials())["data"]["values"]
    assert [(row["param"], row["score"]) for row in rows] == [
        ("fit.x", 7.0),
        ("seed", 7.0),
        ("fit.seconds", 7.0),
    ]
    assert [row["share"] for row in rows] == pytest.approx([0.25, 1.0, 0.5])


def test_importance_is_never_computed_while_somebody_waits(client, monkeypatch):
    create(client, n_trials="30")
    scores = [[math.sin(n)] for n in range(30)]
    tried(study().store, "s", *scores)
    assert "computed when the search has made its trials" in client.get("/studies/s").text
    kept = {"trials": 30, "shares": {"fanova": {"fit.x": 0.75, "seed": 0.25}}}
    study().store.note("s", "importance", kept)
    text = client.get("/studies/s").text
    assert "From 30 completed trials" in text and "75.0 %" in text


def test_the_dashboard_of_optuna_is_there_where_it_is_installed(client):
    pytest.importorskip("optuna_dashboard", reason="the extra agch[expert] is not installed")
    pytest.importorskip("a2wsgi")
    create(client)
    link = re.search(r'href="(/dashboard/studies/\d+)"', client.get("/studies/s").text)[1]
    assert "Optuna" in client.get(link).text
    assert client.get("/api/studies").json()["study_summaries"][0]["study_name"] == "s"
    assert dashboard_routes(object()) == []


def test_json_of_a_chart_is_json_whatever_the_scores(client):
    create(client)
    tried(study().store, "s", [1e300], [-1e-300])
    json.loads(client.get("/studies/s/charts/parallel").text, parse_constant=pytest.fail)
