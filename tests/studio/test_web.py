"""Pages and API of a small DVC repository that no adapter of a package knows."""

from __future__ import annotations

import re
import shutil

import pytest
from fastapi.testclient import TestClient

from studio import adapters
from studio.web.app import make_app

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
