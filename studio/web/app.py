"""The app of one project: every request is guarded, and a thread starts the jobs that wait."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import RedirectResponse
from fastapi.staticfiles import StaticFiles

from studio.web import api, jobs, runs, search, studies
from studio.web.pages import HERE, handle_errors
from studio.web.security import Guard
from studio.web.site import Site


def make_app(
    project: Path, storage: str | None = None, host: str = "127.0.0.1", token: str | None = None
) -> FastAPI:
    """The studio of a project.

    Args:
        project: A git repository with DVC.
        storage: Of the studies, as `studio.store.open_store` takes it.
        host, token: As `studio.web.security.Guard` takes them.
    """
    site = Site(project, storage)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=site.board.run_forever, args=(stop,), daemon=True)
        thread.start()
        yield
        stop.set()
        thread.join()

    app = FastAPI(
        title="studio",
        version="1",
        lifespan=running,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/v1/openapi.json",
    )
    app.state.site = site
    app.middleware("http")(Guard(host, token))
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    for part in (api, runs, studies, jobs, search):
        app.include_router(part.router)
    handle_errors(app)

    @app.get("/", include_in_schema=False)
    def home(request: Request) -> Response:
        return RedirectResponse("/runs")

    return app
