"""The app of one project: every request is guarded, and a thread starts the jobs that wait."""

from __future__ import annotations

import gzip
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.middleware.gzip import GZipMiddleware

from studio.web import api, api_page, compare, jobs, runs, search, studies, study_form
from studio.web.api.described import Documented
from studio.web.dashboard import dashboard_routes
from studio.web.drawing import vega
from studio.web.errors import handle_errors
from studio.web.headers import Heads
from studio.web.pages import HERE
from studio.web.security import protect
from studio.web.site import Site

_making = threading.Lock()
STAYS = {"Cache-Control": "private, max-age=86400", "Vary": "Accept-Encoding"}


def make_app(
    project: Path,
    storage: str | None = None,
    host: str = "127.0.0.1",
    token: str | None = None,
    jobs_at_a_time: int = 1,
) -> FastAPI:
    """The studio of a project.

    Args:
        project: A git repository with DVC.
        storage: Of the studies, as `studio.store.open_store` takes it.
        host, token: As `studio.web.security.protect` takes them.
        jobs_at_a_time: How many run; the others wait.
    """
    site = Site(project, storage, jobs_at_a_time)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=site.board.run_forever, args=(stop,), daemon=True)
        thread.start()
        for warm in (site.warm, _script):
            threading.Thread(target=warm, daemon=True).start()
        yield
        stop.set()
        thread.join()

    app = Documented(
        title="studio",
        version="1",
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.site = site
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)
    protect(app, host, token)
    app.add_middleware(Heads)  # all others see a GET
    app.mount("/assets", StaticFiles(directory=HERE / "static"))
    for part in (api, api_page, study_form, runs, compare, studies, jobs, search):
        app.include_router(part.router)
    handle_errors(app)
    app.add_api_route("/", _home, include_in_schema=False)
    app.add_api_route("/vega.js", _vega, include_in_schema=False)
    app.router.routes.extend(dashboard_routes(site.store))
    return app


def _home() -> Response:
    return RedirectResponse("/runs")


def _vega(request: Request) -> Response:
    """The script that draws charts."""
    plain, packed = _script()
    if "gzip" in request.headers.get("accept-encoding", ""):
        headers = {**STAYS, "Content-Encoding": "gzip"}
        return Response(packed, media_type="text/javascript", headers=headers)
    return Response(plain, media_type="text/javascript", headers=STAYS)


def _script() -> tuple[bytes, bytes]:
    """As it is, and packed once for all."""
    with _making:
        return _made()


@lru_cache(1)
def _made() -> tuple[bytes, bytes]:
    script = vega()
    return script, gzip.compress(script)
