"""Pages and API of a small DVC repository that no adapter of a package knows."""

from __future__ import annotations

import re
import shutil

import pytest
from fastapi.testclient import TestClient

from studio import adapters
from studio.web.app import make_app
from studio.web.security import COOKIE

from .runs_repository import repository

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
    assert "fit.x" in text and "fit.seconds" not in text
    assert '<td class="number best">4</td>' in text
    assert "fit.seconds" in client.get("/compare?run=main&run=two&all=1").text
    many = "&".join(["run=main"] * 21)
    assert client.get(f"/compare?{many}").status_code == 400


def test_what_is_not_there_is_a_page_for_people_and_a_problem_for_programs(client):
    page = client.get("/runs/none")
    assert page.status_code == 404 and "<h1>" in page.text
    problem = client.get("/api/v1/runs/none")
    assert problem.headers["content-type"] == "application/problem+json"
    assert (problem.status_code, problem.json()["status"]) == (404, 404)


@pytest.mark.parametrize(
    "path", ["/runs/../../etc/passwd", "/jobs/..%2f..%2fx", "/static/..%2fapp.py", "/studies/%00"]
)
def test_no_path_of_a_client_leads_anywhere(client, path):
    answer = client.get(path)
    assert 400 <= answer.status_code < 500 and "root:" not in answer.text


@pytest.mark.parametrize(
    "headers", [{"origin": "http://evil.example"}, {"sec-fetch-site": "cross-site"}]
)
def test_a_page_of_another_site_may_do_nothing(client, headers):
    assert client.post("/jobs", data={"kind": "reproduce"}, headers=headers).status_code == 403
    assert client.get("/api/v1/jobs").json()["total"] == 0


def test_another_name_of_the_server_is_not_answered(client):
    assert client.get("/runs", headers={"host": "evil.example:80"}).status_code == 421


def test_elsewhere_than_on_loopback_a_token_is_asked_for(project):
    with TestClient(make_app(project, None, "0.0.0.0", "secret"), base_url=HERE) as made:
        assert made.get("/runs").status_code == 401
        assert made.get("/runs?token=wrong").status_code == 401
        assert made.get("/runs", headers={"authorization": "Bearer secret"}).status_code == 200
        first = made.get("/runs?token=secret", follow_redirects=False)
        assert COOKIE in first.headers["set-cookie"] and "token" not in first.headers["location"]
        assert made.get("/runs").status_code == 200


def test_pages_load_nothing_from_elsewhere(client):
    for path in ("/runs", "/runs/two", "/compare?run=main&run=two", "/studies", "/jobs"):
        answer = client.get(path)
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        loaded = re.findall(r'(?:src|href|action)="(https?://[^"]*)"', answer.text)
        assert loaded == [], path


def test_a_star_stays_until_it_is_taken_away(client):
    for stars in (1, 0):
        client.post("/stars/two")
        assert client.get("/runs").text.count("★ <a") == stars


def test_a_job_is_queued_cancelled_and_still_there_after_a_restart(client, project):
    asked = {"kind": "run", "name": "three", "changes": ["fit.x=3.0"]}
    made = client.post("/api/v1/jobs", json=asked)
    assert made.status_code == 201
    number = made.json()["id"]
    client.post(f"/api/v1/jobs/{number}/cancel")
    with TestClient(make_app(project), base_url=HERE) as other:
        assert other.get(f"/api/v1/jobs/{number}").json()["title"] == "Experiment three"
