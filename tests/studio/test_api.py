"""The API of a small project whose adapter can search: what pages do, as JSON."""

from __future__ import annotations

import io
import json

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from studio.web.app import make_app
from studio.web.errors import PROBLEM

from .pictures import HERE, WORDS, project_of

API = "/api/v1"


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    return project_of(tmp_path, tmp_path_factory.getbasetemp(), monkeypatch, True)


@pytest.fixture
def client(project):
    """Jobs are queued and never start: nobody looks after the queue."""
    return TestClient(make_app(project), base_url=HERE + API, raise_server_exceptions=False)


def get(client, path, **query):
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer, status):
    """The sentence of a problem."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == PROBLEM
    problem = answer.json()
    assert problem["status"] == status and problem["title"] and problem["type"] == "about:blank"
    return problem["detail"]


def names(found):
    return [each["name"] for each in found["items"]]


def test_runs_come_a_part_at_a_time(client):
    everything = get(client, "/runs")
    assert everything["total"] == len(everything["items"]) == 3
    second = get(client, "/runs", offset=1, limit=1)
    assert names(second) == names(everything)[1:2]
    assert (second["total"], second["offset"], second["limit"]) == (3, 1, 1)


def test_runs_are_filtered_sorted_and_narrowed_as_on_their_page(client):
    assert names(get(client, "/runs", filter="fit.x=2.0")) == ["two"]
    sort = "scores.json:deep.score"
    assert names(get(client, "/runs", sort=sort))[0] == "two"
    assert names(get(client, "/runs", sort=sort, order="up"))[-1] == "two"
    found = get(client, "/runs", column=[sort, "fit.x"], filter="two")
    assert found["items"][0]["metrics"] == {sort: 4.0}
    assert found["items"][0]["params"] == {"fit.x": 2.0}
    assert found["columns"] == [sort, "fit.x"]


def test_a_metric_that_is_no_number_is_null(client):
    assert get(client, "/runs/two")["metrics"]["scores.json:deep.odd"] is None


def test_groups_have_mean_and_spread_over_seeds(client):
    found = get(client, "/groups")
    assert found["total"] == 2  # the working tree is equal to main
    group = next(each for each in found["items"] if each["params"]["fit.x"] == 2.0)
    assert group["metrics"]["scores.json:deep.score"] == {"mean": 4.0, "deviation": None, "n": 1}


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_the_list_is_exported(client, form):
    answer = client.get("/export", params={"form": form, "filter": "two"})
    assert answer.status_code == 200 and "two" in answer.text and "main" not in answer.text
    assert refused(client.get("/export?form=odt"), 422).startswith("query.form")
    grouped = client.get("/export", params={"form": form, "group": True}).text
    assert "runs" in grouped.splitlines()[2 if form == "latex" else 0]


def test_one_run_tells_what_changed_its_curves_and_its_models(client):
    found = get(client, "/runs/two")
    assert found["changed"] == [{"name": "fit.x", "before": "1.0", "after": "2.0"}]
    assert [list(curve["series"].values()) for curve in found["curves"]] == [
        [[[0.0, 2.0], [1.0, 1.0], [2.0, pytest.approx(2 / 3)]]]
    ]
    assert {path for model in found["checkpoints"] for path in model["paths"]} == {
        "models/whole.bin",
        "models/parts",
    }
    assert found["origin"] == {"made_by": "", "link": "", "seconds": None, "log": ""}
    assert found["lacking"] == []
    assert get(client, f"/runs/{found['id']}")["name"] == "two"
    assert "no run 'none'" in refused(client.get("/runs/none"), 404)


def test_a_star_is_given_and_taken_by_name_or_id(client):
    number = get(client, "/runs/two")["id"]
    for path, expected in (("two", ["two"]), ("two", ["two"])):
        assert client.put(f"/stars/{path}").status_code == 204
        assert names(get(client, "/runs", starred=True)) == expected
    assert client.delete(f"/stars/{number}").status_code == 204
    assert get(client, "/runs", starred=True)["items"] == []
    refused(client.put("/stars/none"), 404)


def test_a_comparison_has_what_differs_the_best_and_the_curves_asked_for(client):
    found = get(client, "/compare", run=["main", "two"], curve="curves/loss")
    rows = {row["name"]: row for row in found["params"]}
    assert [name for name, row in rows.items() if row["differs"]] == ["fit.x"]
    score = next(row for row in found["metrics"] if row["name"] == "scores.json:deep.score")
    assert (score["values"], score["best"], score["direction"]) == ([2.0, 4.0], [1], "maximize")
    assert list(found["known"]) == ["curves/loss"]
    assert set(found["curves"]["curves/loss"]) == {"main", "two"}
    refused(client.get("/compare", params={"run": ["main"] * 21}), 422)
    refused(client.get("/compare"), 422)


def test_only_a_model_that_is_listed_and_that_no_branch_has_is_deleted(client):
    listed = get(client, "/checkpoints")
    assert listed["total"] == 4
    kept = next(each for each in listed["items"] if each["kept_by"])
    free = next(each for each in listed["items"] if not each["kept_by"])
    assert "is kept for" in refused(client.delete(f"/checkpoints/{kept['id']}"), 400)
    assert client.delete(f"/checkpoints/{free['id']}").json()["freed"] >= free["size"] - 100
    refused(client.delete("/checkpoints/" + "0" * 32), 404)


def test_the_adapter_says_what_a_study_may_be_made_of(client):
    found = get(client, "/adapter")
    assert found["name"] == "searchable" and "random" in found["engines"]
    assert found["ranges"]["fit.x"] == {"low": 0.0, "high": 6.0}
    assert {"none", "median"} <= set(found["pruners"]) and "dvc" in found["runners"]


def test_a_study_is_created_run_stopped_and_run_again(client):
    made = client.post("/studies", json={"name": "first", "n_trials": 2})
    assert made.status_code == 201 and made.json()["job"] is None, made.text
    assert get(client, "/studies")["items"] == [made.json()]
    assert get(client, "/studies/first/settings")["n_trials"] == 2
    assert get(client, "/studies/first/trials")["total"] == 0
    job = client.post("/studies/first/run")
    assert job.status_code == 201 and get(client, "/studies/first")["job"] == job.json()["id"]
    assert "already" in refused(client.post("/studies/first/run"), 400)
    assert client.post("/studies/first/stop").json()["state"] == "cancelled"
    assert "nothing to stop" in refused(client.post("/studies/first/stop"), 400)
    assert client.post("/jobs", json={"kind": "study", "name": "first"}).status_code == 201
    assert "25" in refused(client.get("/studies/first/importance"), 400)
    assert "no complete" in refused(client.post("/studies/first/promote", json={}), 400)
    refused(client.get("/studies/first/trials/0"), 404)
    refused(client.post("/studies/second/stop"), 404)


def test_a_study_after_another_takes_its_trials_along(client):
    store = client.app.state.site.store
    asked = {"name": "first", "n_trials": 6, "space": {"fit.x": {"low": 0, "high": 6.5}, "seed": 0}}
    assert client.post("/studies", json=asked).status_code == 201
    number = store.begin("first", 6)
    store.update("first", number, {"fit.x": 2.0, "seed": 0}, {})
    store.finish("first", number, "complete", (4.0,), {})
    asked = {"name": "next", "after": "first", "space": {"fit.x": {"low": 1, "high": 3.5}}}
    asked["space"]["seed"] = [0]
    assert client.post("/studies", json=asked).status_code == 201
    trials = get(client, "/studies/next/trials")
    assert [each["values"] for each in trials["items"]] == [{"fit.x": 2.0, "seed": 0}]
    assert trials["items"][0]["notes"]["from"] == "first/0"
    one = get(client, "/studies/next/trials/0")
    assert (one["number"], one["seconds"], one["log"]) == (0, None, "")
    assert get(client, "/studies/next")["best"] == [{"trial": 0, "scores": [4.0]}]
    promoted = client.post("/studies/next/promote", json={"trial": 0})
    assert promoted.status_code == 201 and promoted.json()["title"] == "Promote trial 0 of next"
    refused(client.post("/studies", json={**asked, "name": "last", "after": "none"}), 404)


def test_a_form_with_numbers_that_cannot_be_is_refused(client):
    for field, value in (("low:fit.x", "9" * 400), ("seed", "-1"), ("n_trials", "0")):
        answer = client.post(HERE + "/studies", data={"name": "a", field: value})
        assert answer.status_code == 400 and '<p class="error"' in answer.text, field


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "../up"},
        {"name": "a", "seed": -1},
        {"name": "a", "space": {"fit.x": {"low": 0, "high": 10**400}}},
        {"name": "a", "space": {"fit.x": {"lowest": 0}}},
        {"name": "a", "trials": 3},
        {"name": "\ud800"},
        {},
    ],
)
def test_a_study_that_cannot_be_is_refused_with_the_place_that_is_wrong(client, wrong):
    answer = client.post("/studies", content=json.dumps(wrong).encode())
    refused(answer, 422)
    assert answer.json()["errors"][0]["place"].startswith("body")


def test_jobs_are_queued_listed_and_cancelled(client):
    asked = {"kind": "run", "name": "three", "changes": ["fit.x=3.0"]}
    first = client.post("/jobs", json=asked).json()
    second = client.post("/jobs", json={"kind": "stage", "name": "fit"}).json()
    assert get(client, "/stages") == ["fit"]
    assert [job["id"] for job in get(client, "/jobs")["items"]] == [second["id"], first["id"]]
    live = get(client, "/jobs", live=True, limit=1)
    assert (live["total"], live["items"][0]["id"]) == (2, first["id"])
    assert [job["id"] for job in get(client, "/state")["live"]] == [first["id"], second["id"]]
    assert client.post(f"/jobs/{first['id']}/cancel").json()["state"] == "cancelled"
    assert get(client, "/jobs", live=True)["total"] == 1
    assert get(client, f"/jobs/{first['id']}")["title"] == "Experiment three"
    assert get(client, f"/jobs/{first['id']}/log", after=5) == {"text": "", "next": 0}
    for other in ({"kind": "reproduce"}, {"kind": "promote", "name": "none"}):
        answer = client.post("/jobs", json=other)
        assert answer.status_code == (201 if other["kind"] == "reproduce" else 404)
    refused(client.get("/jobs/20200101-000000-0000"), 404)


def test_words_and_items_find_pictures(client):
    about = get(client, "/search/about")
    assert [each["key"] for each in about["choices"]] == ["long", "short"]
    assert get(client, "/search/words", prefix="bl") == WORDS[:2]
    assert get(client, "/search/words", limit=1) == WORDS[:1]
    found = get(client, "/search", words="red box", k=2)
    assert [hit["item"] for hit in found["hits"]] == [0, 1] and found["used"] == ["red box"]
    assert "known" in refused(client.get("/search?words=green"), 400)
    assert "choice" in refused(client.get("/search?words=red%20box&choice=none"), 400)
    assert get(client, "/search/items/2", towards="pictures")["used"] == ["red box"]
    refused(client.get("/search/items/3"), 404)
    picture = client.get("/search/pictures/1")
    assert picture.content == b"GIF89a" and picture.headers["content-type"] == "image/gif"
    assert "max-age" in picture.headers["cache-control"]


def test_a_picture_finds_items(client):
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")
    answer = client.post("/search/picture", files={"picture": file.getvalue()}, data={"k": 1})
    assert [hit["item"] for hit in answer.json()["hits"]] == [0]


def test_the_state_names_project_commit_and_list(client):
    get(client, "/runs")
    found = get(client, "/state")
    assert found["project"] == "project" and len(found["head"]) == 40 and found["runs"]["made"]


def test_without_an_adapter_there_is_nothing_to_search_and_no_study_to_make(
    tmp_path, tmp_path_factory, monkeypatch
):
    folder = project_of(tmp_path, tmp_path_factory.getbasetemp(), monkeypatch, False)
    bare = TestClient(make_app(folder), base_url=HERE + API)
    refused(bare.get("/search/about"), 404)
    refused(bare.get("/adapter"), 400)


def test_what_the_api_does_not_have_is_a_problem_and_a_page_elsewhere(client):
    assert "/api/v1/none" in refused(client.get("/none"), 404)
    answer = client.delete("/runs")
    assert "only to GET" in refused(answer, 405) and answer.headers["allow"] == "GET, HEAD"
    faults = client.get("/runs?limit=0&order=odd").json()["errors"]
    assert {fault["place"] for fault in faults} == {"query.limit", "query.order"}
    for path, status in (("/none", 404), ("/jobs?offset=x", 422), ("/runs/none", 404)):
        page = client.get(HERE + path)
        assert page.status_code == status and '<p class="error"' in page.text, path


def test_a_failure_is_a_sentence_and_its_traceback_is_in_the_log_alone(client, monkeypatch):
    monkeypatch.setattr(client.app.state.site.board, "count", lambda: 1 / 0)
    answer = client.get("/jobs")
    text = refused(answer, 500)
    assert "log" in text and "Zero" not in answer.text
    assert "default-src" in answer.headers["content-security-policy"]
    with pytest.raises(ZeroDivisionError):
        TestClient(client.app, base_url=HERE).get(f"{API}/jobs")


def test_the_page_of_the_api_has_every_operation_of_the_document(client):
    page = client.get(HERE + "/api")
    document = get(client, "/openapi.json")
    assert page.status_code == 200 and len(document["paths"]) > 25
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert f"{method.upper()} {path}" in page.text
            assert operation["description"]
            assert PROBLEM in operation["responses"]["400"]["content"]
    assert "subset_ratio" in page.text
