"""Optuna's own dashboard of the same studies, where it is installed: the expert view."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

from starlette.requests import Request
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.store import Store

DASHBOARD = "/dashboard"
"""Where its pages are; its script knows no other place."""


def dashboard_id(store: Store, name: str) -> int | None:
    """The number by which the dashboard knows a study; `None` where there is no dashboard."""
    storage = _storage(store)
    return None if storage is None else int(storage.get_study_id_from_name(name))


def dashboard_routes(store: Store) -> list[Route]:
    """Its pages and what they ask for, at the paths that it takes itself; none without it."""
    storage = _storage(store)
    if storage is None:
        return []
    from a2wsgi import WSGIMiddleware
    from optuna_dashboard import wsgi

    from studio.optuna_url import Remote

    bare = storage._storage if isinstance(storage, Remote) else storage  # it takes no other
    made: Any = wsgi(bare)
    inner: Any = WSGIMiddleware(made)
    places = dict.fromkeys(_place(route.rule) for route in made.routes if route.rule != "/")
    return [Route(place + "{rest:path}", Whole(inner), methods=None) for place in places]


class Whole:
    """Reads a request before an app of WSGI does, which takes a refusal to read on for a fault."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse what is too large, else hand it over at once."""
        body = await Request(scope, receive).body()

        async def received() -> Message:
            return {"type": "http.request", "body": body}

        await self.app(scope, received, send)


def _place(rule: str) -> str:
    """How the paths of a rule begin: one segment of it, two of its API."""
    found = re.match(r"/api/[^/<]+|/[^/<]+", rule)
    assert found, rule
    return found[0]


def _storage(store: Store) -> Any:
    installed = find_spec("optuna_dashboard") and find_spec("a2wsgi")
    return getattr(store, "storage", None) if installed else None
