"""Every refusal is one clear sentence: a page for people, a problem (RFC 9457) for programs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.routing import Match

from studio.errors import NotFound, StudioError
from studio.web.headers import set_headers
from studio.web.pages import page

API = "/api/"
PROBLEM = "application/problem+json"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
HEADINGS = {404: "There is no such thing", 500: "The studio failed"}


class Fault(BaseModel):
    """What is wrong with one part of a request."""

    place: str
    message: str


class Problem(BaseModel):
    """Why there is no answer, as RFC 9457 has it."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[Fault] | None = None


def refusal(
    request: Request,
    status: int,
    detail: str,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The answer to what cannot be done."""
    detail = detail.encode("utf-8", "replace").decode()  # halves of characters come from clients
    if request.url.path.startswith(API):
        return problem(status, detail, errors, headers)
    heading = HEADINGS.get(status, "That cannot be done")
    response = page(request, "error.html", heading=heading, detail=detail)
    response.status_code = status
    response.headers.update(headers or {})
    return response


def problem(
    status: int,
    detail: str,
    errors: Sequence[Fault] = (),
    headers: Mapping[str, str] | None = None,
) -> Response:
    """The same for programs."""
    title = HTTPStatus(status).phrase
    found = Problem(title=title, status=status, detail=detail, errors=list(errors) or None)
    return JSONResponse(found.model_dump(exclude_none=True), status, headers, PROBLEM)


def handle_errors(app: FastAPI) -> None:
    """Have all errors of an app answered that way."""

    @app.exception_handler(StudioError)
    def refused(request: Request, error: StudioError) -> Response:
        return refusal(request, 404 if isinstance(error, NotFound) else 400, str(error))

    @app.exception_handler(HTTPException)
    def failed(request: Request, error: HTTPException) -> Response:
        if error.status_code == 405 and (known := _answered(request)):
            error.headers = {"Allow": ", ".join(known)}
        return refusal(request, error.status_code, _told(request, error), (), error.headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> Response:
        faults = [
            Fault(place=".".join(map(str, each["loc"])), message=each["msg"])
            for each in error.errors()
        ]
        text = "; ".join(f"{fault.place}: {fault.message}" for fault in faults)
        return refusal(request, 422, text, faults)

    @app.exception_handler(Exception)
    def broken(request: Request, error: Exception) -> Response:
        """The server logs the traceback itself."""
        response = refusal(request, 500, "something went wrong here; the server's log says what")
        set_headers(request.url.path, response.headers)  # this answer passes by the guard
        return response


def _told(request: Request, error: HTTPException) -> str:
    if error.status_code == 404:
        return f"there is nothing at {request.url.path}"
    if error.status_code == 405:
        known = (error.headers or {}).get("Allow", "other methods")
        return f"{request.url.path} does not answer to {request.method}, only to {known}"
    return str(error.detail)


def _answered(request: Request) -> list[str]:
    """All methods that the routes of a path answer to, of which an error names those of one.

    None where they answer to that of the request: what it was refused by knows better.
    """
    scope = {"type": "http", "path": request.scope["path"], "headers": []}
    routes = request.app.router.routes
    found: list[str] = []
    for method in METHODS:
        if any(route.matches({**scope, "method": method})[0] is Match.FULL for route in routes):
            found += ["GET", "HEAD"] if method == "GET" else [method]
    return [] if request.method in found else found
