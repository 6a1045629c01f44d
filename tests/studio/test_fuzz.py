"""Thousands of requests that the OpenAPI document allows, or just does not: none breaks the API."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from studio.jobs import board
from studio.jobs.board import Board, number_of
from studio.web.app import make_app

from .pictures import HERE, project_of

schemathesis = pytest.importorskip("schemathesis")

from schemathesis import GenerationMode, checks  # noqa: E402

pytestmark = pytest.mark.slow
EXAMPLES = 25
API = "/api/v1"
NUMBER = "20200101-000000-0000"
KNOWN = {
    f"{API}/runs/{{name}}": {"name": "two"},
    f"{API}/stars/{{name}}": {"name": "two"},
    f"{API}/jobs/{{number}}": {"number": NUMBER},
    f"{API}/jobs/{{number}}/log": {"number": NUMBER},
    f"{API}/jobs/{{number}}/cancel": {"number": NUMBER},
    f"{API}/search/items/{{item}}": {"item": 1},
    f"{API}/search/pictures/{{item}}": {"item": 1},
    **{
        f"{API}/studies/{{name}}{what}": {"name": "a"}
        for what in ("", "/settings", "/trials", "/importance", "/run", "/stop", "/promote")
    },
}
QUERIES = {
    f"{API}/compare": {"run": ["main", "two"]},
    **{f"{API}/search{what}": {"run": "main"} for what in ("", "/about", "/words")},
    **{f"{API}/search/{what}/{{item}}": {"run": "main"} for what in ("items", "pictures")},
}
"""What there is: half of the requests ask for it."""
DOCUMENT = f"{API}/openapi.json"
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
    checks.unsupported_method,
    checks.allow_header_conformance,
]


@pytest.fixture(scope="module")
def schema(tmp_path_factory):
    """Of a project that can search and has a study and a job; no job ever starts."""
    with pytest.MonkeyPatch.context() as patch:
        place = tmp_path_factory.mktemp("fuzz")
        folder = project_of(place, tmp_path_factory.getbasetemp(), patch, True)
        patch.setattr(Board, "run_forever", lambda self, stop: None)
        config = schemathesis.Config.from_dict({"base-url": HERE, "headers": {"Host": "127.0.0.1"}})
        made = schemathesis.openapi.from_asgi(
            DOCUMENT, make_app(folder), config=config, headers={"Host": "127.0.0.1"}
        )
        study = made[f"{API}/studies"]["POST"].Case(body={"name": "a"})
        assert study.call().status_code == 201
        patch.setattr(board, "number_of", lambda moment: NUMBER)
        job = made[f"{API}/jobs"]["POST"].Case(body={"kind": "reproduce"})
        assert job.call().json()["id"] == NUMBER
        patch.setattr(board, "number_of", number_of)
        yield made


def listed():
    """All operations there are."""
    paths = make_app(Path()).openapi()["paths"]
    return [(method.upper(), path) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize("method, path", listed())
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_no_request_breaks_the_api_or_its_document(schema, method, path, mode):
    @seed(0)
    @settings(
        max_examples=EXAMPLES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(schema[path][method].as_strategy(generation_mode=mode), st.booleans())
    def holds(case, there):
        if there:
            case.path_parameters = {**(case.path_parameters or {}), **KNOWN.get(path, {})}
            case.query = {**(case.query or {}), **QUERIES.get(path, {})}
        case.call_and_validate(checks=CHECKS)

    try:
        holds()
    except Unsatisfiable:
        assert mode == GenerationMode.NEGATIVE  # nothing is wrong for this one
