"""Pages and API of a small DVC repository that no adapter of a package knows."""

from __future__ import annotations

import asyncio
import re
import shutil
import socket

import pytest
import uvicorn
from fastapi.testclient import TestClient

from studio import adapters
from studio.creation import create
from studio.runners.dvc import DvcRunner
from studio.store import open_store
from studio.web.app import make_app
from studio.web.headers import Heads
from studio.web.serve import listening

from .conftest import settings
from .runs_repository import call, commit, experiment, repository

HERE = "http://127.0.0.1"


@pytest.fixture
def project(tmp_path, tmp_path_factory, monkeypatch):
    folder = tmp_path / "project"
    shutil.copytree(repository(tmp_path_factory.getbasetemp()), folder)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(adapters, "entry_points", lambda **group: ())
    return folder


@pytest.fixture
def client(project):
    with TestClient(make_app(project), base_url=HERE) as made:
        yield made


def test_every_page_answers_and_names_the_project(client):
    for path in ("/runs", "/runs?group=1", "/runs/two", "/studies", "/jobs", "/search"):
        answer = client.get(path)
        assert answer.status_code == 200 and "<strong>project</strong>" in answer.text, path


def test_the_list_filters_sorts_and_marks_the_best(client):
    names = re.findall(r'<a href="/runs/[^"]*">([^<]*)</a>', client.get("/runs").text)
    assert {"workspace", "main", "two"} <= set(names)
    assert re.findall(r'">(two|main)</a>', client.get("/runs?filter=fit.x=2.0").text) == ["two"]
    sort = "sort=scores.json:deep.score"
    best, *_ = re.findall(r'">(two|main|workspace)</a>', client.get(f"/runs?{sort}").text)
    assert best == "two"
    worst, *_ = re.findall(r'">(two|main|workspace)</a>', client.get(f"/runs?{sort}&order=up").text)
    assert worst != "two"


@pytest.mark.parametrize("form", ["csv", "markdown", "latex"])
def test_the_list_is_exported_as_it_is_shown(client, form):
    answer = client.get(f"/runs/export?form={form}&filter=two")
    assert answer.status_code == 200 and "two" in answer.text and "main" not in answer.text


def test_a_comparison_shows_what_differs_and_the_best_of_each_metric(client):
    text = client.get("/compare?run=main&run=two").text
    assert "fit.<wbr>x" in text and "fit.<wbr>seconds" not in text
    assert '<td class="number best">4</td>' in text
    assert "fit.<wbr>seconds" in client.get("/compare?run=main&run=two&all=1").text
    many = "&".join(["run=main"] * 21)
    assert client.get(f"/compare?{many}").status_code == 400
    nothing = client.get("/compare")
    assert nothing.status_code == 400 and "tick at least one run" in nothing.text


def test_pages_load_nothing_from_elsewhere(client):
    for path in ("/runs", "/runs/two", "/compare?run=main&run=two", "/studies", "/jobs"):
        answer = client.get(path)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        loaded = re.findall(r'(?:src|href|action)="(https?://[^"]*)"', answer.text)
        assert loaded == [], path


def test_a_star_stays_until_it_is_taken_away(client):
    for stars in (1, 0):
        client.post("/stars/two")
        assert client.get("/runs").text.count("★") == stars


def test_a_job_is_queued_cancelled_and_still_there_after_a_restart(client, project):
    asked = {"kind": "run", "name": "three", "changes": ["fit.x=3.0"]}
    made = client.post("/api/v1/jobs", json=asked)
    assert made.status_code == 201
    number = made.json()["id"]
    client.post(f"/api/v1/jobs/{number}/cancel")
    with TestClient(make_app(project), base_url=HERE) as other:
        assert other.get(f"/api/v1/jobs/{number}").json()["title"] == "Experiment three"


def test_the_dashboard_of_optuna_shows_the_studies_of_a_database(project):
    pytest.importorskip("optuna_dashboard", reason="the extra agch[expert] is not installed")
    url = f"sqlite:///{project}/studies.db"
    create(open_store(url), "s", settings(n_trials=3))
    made = TestClient(make_app(project, url), base_url=HERE)
    assert made.get("/dashboard").status_code == 200
    told = made.get("/api/studies").json()["study_summaries"]
    assert [each["study_name"] for each in told] == ["s"]
    assert f'href="/dashboard/studies/{told[0]["study_id"]}"' in made.get("/studies/s").text


def test_head_is_answered_as_get_is(client):
    for path in ("/runs", "/api/v1/runs", "/assets/studio.css", "/", "/none"):
        got, asked = (client.request(m, path, follow_redirects=False) for m in ("GET", "HEAD"))
        assert asked.status_code == got.status_code and asked.content == b"", path
        assert {*asked.headers} == {*got.headers}, path


def test_an_answer_to_head_has_no_body():
    sent = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": scope["method"].encode()})

    async def send(message):
        sent.append(message)

    for method in ("GET", "HEAD"):
        asyncio.run(Heads(app)({"type": "http", "method": method}, None, send))
    assert [message.get("body") for message in sent] == [None, b"GET", None, b""]


def test_a_method_that_a_path_does_not_know_is_refused_with_those_it_does(client):
    for method, path, known in (
        ("PATCH", "/api/v1/jobs", "GET, HEAD, POST"),
        ("POST", "/api/v1/stars/two", "PUT, DELETE"),
        ("GET", "/api/v1/stars/two", "PUT, DELETE"),
        ("PUT", "/runs", "GET, HEAD"),
        ("POST", "/assets/studio.css", "GET, HEAD"),
    ):
        answer = client.request(method, path)
        assert (answer.status_code, answer.headers["allow"]) == (405, known), path
        assert f"does not answer to {method}, only to {known}" in answer.text


def test_a_project_in_a_folder_of_a_repository_is_shown_as_any_other(
    project, tmp_path, monkeypatch
):
    inner = subfolder(project, tmp_path / "top")
    monkeypatch.chdir(inner)
    experiment(
        tmp_path / "top",
        "three",
        {"inner/params.yaml": "fit: {x: 3.0}\n", "inner/scores.json": '{"deep": {"score": 6.0}}'},
    )
    made = TestClient(make_app(inner), base_url=HERE)
    names = ["workspace", "main", "three"]
    assert re.findall(f">({'|'.join(names)})</a>", made.get("/runs").text) == names
    told = made.get("/api/v1/runs/three").json()
    assert told["params"]["fit.x"] == 3.0 and told["metrics"]["scores.json:deep.score"] == 6.0
    for name in names:
        page = made.get(f"/runs/{name}").text
        assert "models/whole.bin" in page and "curve=curves%2Floss" in page
    site = made.app.state.site
    for name, x in (("main", b"1.0"), ("three", b"3.0")):
        run = site.runs.run(name)
        assert b"x: " + x in site.files.read(run, "params.yaml")
        assert site.files.read(run, "models/parts/a") == b"part 1.0"
    assert "6.0" in DvcRunner(inner).read("three", "scores.json")


def subfolder(project, top):
    """The same project in a folder of a git repository, made by `dvc init --subdir`."""
    inner = top / "inner"
    inner.mkdir(parents=True)
    call(top, "git", "init", "-q", "-b", "main")
    for key, value in (("name", "test"), ("email", "test@example.com")):
        call(top, "git", "config", f"user.{key}", value)
    call(inner, "dvc", "init", "-q", "--subdir")
    shutil.copytree(
        project, inner, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git", "tmp", ".studio")
    )
    commit(top, "all")
    return inner


def test_an_answer_does_not_wait_for_the_one_before_to_be_acknowledged():
    config = uvicorn.Config("none", port=0)
    with listening(config) as place:
        place.listen()
        with socket.create_connection(place.getsockname()), place.accept()[0] as connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
