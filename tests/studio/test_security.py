"""Who may ask, how much may be sent, and that no name of a client ever leads anywhere."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from fastapi.testclient import TestClient
from PIL import Image

from studio.errors import StudioError
from studio.web.app import make_app
from studio.web.body_limit import BODY, UPLOAD
from studio.web.security import COOKIE

from .pictures import HERE, project_of

API = "/api/v1"
NAMES = [
    "..",
    "../../etc/passwd",
    "/etc/passwd",
    "%00",
    "a\nb",
    "x" * 5000,
    "größe",
    "-rf",
    "$(id)",
]
ROUTES = [
    ("GET", "/runs/{}"),
    ("POST", "/stars/{}"),
    ("POST", "/models/{}/delete"),
    ("GET", "/studies/{}"),
    ("POST", "/studies/{}/run"),
    ("GET", "/jobs/{}"),
    ("POST", "/jobs/{}/cancel"),
    ("GET", "/search/pictures/{}"),
    ("GET", "/assets/{}"),
    ("GET", API + "/runs/{}"),
    ("PUT", API + "/stars/{}"),
    ("DELETE", API + "/stars/{}"),
    ("DELETE", API + "/checkpoints/{}"),
    ("GET", API + "/studies/{}"),
    ("GET", API + "/studies/{}/settings"),
    ("GET", API + "/studies/{}/trials/0"),
    ("POST", API + "/studies/{}/stop"),
    ("GET", API + "/jobs/{}"),
    ("GET", API + "/jobs/{}/log"),
    ("GET", API + "/search/items/{}"),
    ("GET", API + "/search/about?run={}"),
    ("GET", API + "/compare?run={}"),
]


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Nothing here changes it."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("security")
        yield project_of(place, tmp_path_factory.getbasetemp(), patch, True)


@pytest.fixture(scope="module")
def client(project):
    return TestClient(make_app(project), base_url=HERE)


def escaped(name):
    """Every byte of it as `%xx`, unless it is written so already."""
    if name.startswith("%"):
        return name
    return "".join(f"%{byte:02x}" for byte in name.encode())


@pytest.mark.parametrize("method, route", ROUTES)
def test_no_name_of_a_client_leads_anywhere(client, method, route):
    for name in NAMES:
        answer = client.request(method, route.format(escaped(name)))
        assert 400 <= answer.status_code < 500, (name, answer.status_code)
        assert "root:" not in answer.text and "Traceback" not in answer.text


@pytest.mark.parametrize(
    "name", ["../../secret", "/etc/passwd", "a\0b", "x" * 5000, "", "-h", "$(id)"]
)
@pytest.mark.parametrize("kind", ["stage", "run", "study", "promote"])
def test_no_name_of_a_job_or_study_becomes_a_path_or_an_option(client, project, kind, name):
    (project.parent / "secret.jsonl").write_text('{"study": {}}\n')
    before = client.get(f"{API}/jobs").json()["total"]
    answer = client.post(f"{API}/jobs", json={"kind": kind, "name": name})
    assert answer.status_code in (400, 404), answer.text
    assert client.get(f"{API}/jobs").json()["total"] == before
    assert client.post(f"{API}/studies", json={"name": name}).status_code == 422
    after = {"name": "other", "after": name or "none"}
    assert client.post(f"{API}/studies", json=after).status_code == 404


@pytest.mark.parametrize(
    "change", ["fit.x=$(id)", "-S=1", "fit.x", "fit=1", "../x=1", "fit.x=${a}"]
)
def test_a_change_is_a_value_of_a_parameter_and_nothing_else(client, change):
    answer = client.post(f"{API}/jobs", json={"kind": "run", "name": "new", "changes": [change]})
    if change == "fit.x=$(id)":  # a text like any other: no shell reads it
        assert answer.json()["command"][-1] == 'fit.x="$(id)"'
        client.post(f"{API}/jobs/{answer.json()['id']}/cancel")
    else:
        assert answer.status_code == 400, answer.text


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "127.0.0.1:80", "localhost:1", "LOCALHOST", "[::1]:8765", "[::1]"]
)
def test_this_machine_is_asked_by_its_own_names(client, host):
    assert client.get("/jobs", headers={"host": host}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "x@127.0.0.1",
        "::1",
        "",
        "[::2]",
    ],
)
def test_a_page_whose_name_leads_here_learns_nothing(client, host):
    for path in ("/runs", f"{API}/runs", "/assets/studio.css"):
        answer = client.get(path, headers={"host": host})
        assert answer.status_code == 421 and "project" not in answer.text, path


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:8080"},
        {"origin": "null"},
        {"origin": "http://["},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "http://127.0.0.1", "sec-fetch-site": "cross-site"},
    ],
)
def test_a_page_of_another_site_may_change_nothing(client, headers):
    for method, path in (
        ("POST", "/jobs"),
        ("POST", f"{API}/jobs"),
        ("PUT", f"{API}/stars/two"),
        ("DELETE", f"{API}/stars/two"),
    ):
        assert client.request(method, path, headers=headers).status_code == 403, path


@pytest.mark.parametrize(
    "headers",
    [{}, {"origin": "http://127.0.0.1", "sec-fetch-site": "same-origin"}, {"origin": HERE.upper()}],
)
def test_programs_and_its_own_pages_may(client, headers):
    assert client.delete(f"{API}/stars/two", headers=headers).status_code == 204


def test_elsewhere_than_on_loopback_there_has_to_be_a_token(project):
    with pytest.raises(StudioError, match="token"):
        make_app(project, None, "0.0.0.0")


def test_with_a_token_any_name_of_the_server_is_answered_and_without_it_nothing(project):
    made = TestClient(make_app(project, None, "0.0.0.0", "secret"), base_url="http://some.host")
    for path in ("/jobs", f"{API}/jobs", "/assets/studio.css", "/jobs?token=wrong", "/jobs?token="):
        answer = made.get(path)
        assert answer.status_code == 401 and answer.headers["www-authenticate"] == "Bearer"
        assert "project" not in answer.text
    assert made.post("/jobs?token=secret").status_code == 401
    for header in ("Bearer secret", "bearer secret"):
        assert made.get("/jobs", headers={"authorization": header}).status_code == 200
    for header in ("secret", "Basic secret", "Bearer ", "Bearer sécret".encode()):
        assert made.get("/jobs", headers={"authorization": header}).status_code == 401
    first = made.get("/jobs?offset=0&token=secret", follow_redirects=False)
    assert first.headers["location"] == "http://some.host/jobs?offset=0"
    assert COOKIE in first.headers["set-cookie"] and "HttpOnly" in first.headers["set-cookie"]
    assert made.get("/jobs").status_code == 200
    foreign = made.post(f"{API}/jobs", headers={"origin": "http://evil.example"})
    assert foreign.status_code == 403


def test_every_answer_keeps_other_sites_out_and_pages_are_not_kept(client):
    for path in ("/jobs", f"{API}/jobs", "/none", f"{API}/none", "/assets/studio.css", "/api"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'self'" in policy and "unsafe-eval" not in policy
        assert "object-src 'none'" in policy and "script-src" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-opener-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert ("no-store" in headers.get("cache-control", "")) == ("assets" not in path)


@pytest.mark.parametrize("path", ["/jobs", f"{API}/jobs", f"{API}/studies", "/studies"])
def test_a_large_request_is_refused_before_it_is_read(client, path):
    def never():
        raise AssertionError("this is read")
        yield b""

    answer = client.post(path, content=never(), headers={"content-length": str(BODY + 1)})
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path, kind",
    [("/jobs", "application/x-www-form-urlencoded"), (f"{API}/jobs", "application/json")],
)
def test_one_that_hides_its_size_is_read_up_to_the_limit_only(client, path, kind):
    pieces = (b" " * (BODY // 4) for _ in range(100))
    answer = client.post(path, content=pieces, headers={"content-type": kind})
    assert answer.status_code == 413 and f"{BODY:,}" in answer.text


def test_one_that_hides_its_size_reaches_the_dashboard_no_further(client):
    pytest.importorskip("optuna_dashboard", reason="the extra agch[expert] is not installed")
    pieces = (b" " * (BODY // 4) for _ in range(100))
    answer = client.post("/api/studies", content=pieces)
    assert answer.status_code == 413 and f"{BODY:,}" in answer.text
    study = {"study_name": "small", "directions": ["minimize"]}
    assert client.post("/api/studies", json=study).status_code == 201


def bomb():
    """A PNG of 60,000 x 60,000 points in a few bytes."""

    def chunk(name, data):
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    head = struct.pack(">IIBBBBB", 60000, 60000, 1, 0, 0, 0, 0)
    data = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(10**6))) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + data


def png():
    file = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(file, "PNG")
    return file.getvalue()


@pytest.mark.parametrize(
    "data",
    [bomb(), b"a text\n", b"", png()[:1000], b"<svg xmlns='http://www.w3.org/2000/svg'/>"],
    ids=["bomb", "text", "empty", "truncated", "svg"],
)
def test_what_is_no_picture_is_refused_with_a_reason(client, data):
    upload = {"picture": ("../../a.png", data, "image/png")}
    answer = client.post(f"{API}/search/picture", files=upload)
    assert answer.status_code == 400 and "cannot be read" in answer.text


@pytest.mark.parametrize("path", ["/search/picture", f"{API}/search/picture"])
def test_a_picture_may_be_larger_than_other_requests_but_not_by_much(client, path):
    assert client.post(path, files={"picture": png() + bytes(2 * BODY)}).status_code == 200
    assert client.post(path, files={"picture": bytes(UPLOAD)}).status_code == 413
    assert client.post(path, data={"picture": "no file"}).status_code in (400, 422)
