"""How every page is drawn: templates, their filters, errors as pages or as problems."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, cast

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.templating import Jinja2Templates

from studio.errors import NotFound, StudioError
from studio.web.site import Site

PAGES = (("/runs", "Runs"), ("/studies", "Studies"), ("/jobs", "Jobs"), ("/search", "Search"))
HERE = Path(__file__).parent
PROBLEM = "application/problem+json"
templates = Jinja2Templates(HERE / "templates")


def number(value: Any) -> str:
    """A parameter or a metric as people read it."""
    if isinstance(value, bool) or not isinstance(value, float):
        return "–" if value is None else value if isinstance(value, str) else json.dumps(value)
    return f"{value:.5g}" if math.isfinite(value) else str(value)


def size(count: int | None) -> str:
    """Bytes as people read them."""
    value, unit = float(count or 0), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            break
        value /= 1000
    return "–" if count is None else f"{value:.3g} {unit}"


templates.env.filters |= {"number": number, "size": size}
templates.env.trim_blocks = templates.env.lstrip_blocks = True


def site_of(request: Request) -> Site:
    """What the app was made for."""
    return cast(Site, request.app.state.site)


def page(request: Request, name: str, **values: Any) -> Response:
    """A page of the project."""
    project = site_of(request).project.resolve().name
    return templates.TemplateResponse(request, name, {"pages": PAGES, "project": project, **values})


def to(path: str) -> Response:
    """On to a page, after something was done."""
    return RedirectResponse(path, 303)


def handle_errors(app: FastAPI) -> None:
    """One clear sentence: as a page for people, as a problem (RFC 9457) for programs."""

    @app.exception_handler(StudioError)
    def refused(request: Request, error: StudioError) -> Response:
        text, status = str(error), 404 if isinstance(error, NotFound) else 400
        if request.url.path.startswith("/api/"):
            content = {"type": "about:blank", "title": "refused", "status": status, "detail": text}
            return JSONResponse(content, status, media_type=PROBLEM)
        response = page(request, "error.html", heading="That cannot be done", detail=text)
        response.status_code = status
        return response
