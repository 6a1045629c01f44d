"""How every page is drawn: templates and their filters."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any, cast

from fastapi import Request, Response
from fastapi.responses import RedirectResponse
from fastapi.templating import Jinja2Templates
from markupsafe import Markup, escape

from studio.runs.values import shown
from studio.web.site import Site

PAGES = (("/runs", "Runs"), ("/studies", "Studies"), ("/jobs", "Jobs"), ("/search", "Search"))
HERE = Path(__file__).parent
templates = Jinja2Templates(HERE / "templates")


def number(value: Any) -> str:
    """A parameter or a metric as people read it."""
    if isinstance(value, bool) or not isinstance(value, float):
        return "–" if value is None else value if isinstance(value, str) else json.dumps(value)
    return f"{value:.5g}" if math.isfinite(value) else str(value)


def signed(value: Any) -> str:
    """A difference as people read it."""
    return f"+{number(value)}" if isinstance(value, int | float) and value > 0 else number(value)


def size(count: int | None) -> str:
    """Bytes as people read them."""
    value, unit = float(count or 0), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if value < 999.5 or unit == "GB":
            break
        value /= 1000
    return "–" if count is None else f"{value:.3g} {unit}"


def duration(seconds: float | None) -> str:
    """A time as people read it."""
    if seconds is None:
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def soft(name: str) -> Markup:
    """A name that may be broken behind its points, colons and strokes."""
    return Markup(re.sub(r"([./:_,])(?=.)", r"\1<wbr>", str(escape(name))))


templates.env.filters |= {
    "exact": shown,
    "number": number,
    "signed": signed,
    "soft": soft,
    "size": size,
    "duration": duration,
}
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
