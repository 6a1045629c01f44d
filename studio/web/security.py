"""Who may ask: this machine alone unless a token says otherwise, and no page of another site."""

from __future__ import annotations

import hmac
import re
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.errors import StudioError
from studio.web.body_limit import BodyLimit
from studio.web.errors import API, problem
from studio.web.headers import set_headers
from studio.web.serve import LOOPBACK

COOKIE = "studio_token"
SAFE = ("GET", "HEAD", "OPTIONS")
HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s:/@\[\]]+))(?::\d*)?", re.IGNORECASE)
"""What browsers name in `Host`: an IPv6 address in brackets, or else a name or an IPv4 address."""


def protect(app: FastAPI, host: str, token: str | None) -> None:
    """Have every request of an app checked before anything of it is read.

    Args:
        host: What the server is bound to.
        token: As `Guard` takes it.

    Raises:
        StudioError: Others could ask, and there is no token.
    """
    if token is None and host not in LOOPBACK:
        raise StudioError(f"others may ask at {host}; that needs a token")
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, token=token)  # the last one is asked first


class Guard:
    """What stands before every request.

    Args:
        token: Must be given once as `?token=`, or as a bearer token. `None` where only this machine
            asks: then a page whose name leads here, too (DNS rebinding), is refused by that name.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or let through; either way with headers that keep other sites out."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def sent(message: Message) -> None:
            if message["type"] == "http.response.start":
                set_headers(scope["path"], MutableHeaders(scope=message))
            await send(message)

        await (self._refused(Request(scope)) or self.app)(scope, receive, sent)

    def _refused(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self.token is None and _name(host) not in LOOPBACK:
            return _refusal(request, 421, f"this studio does not answer as '{host}'")
        if request.method not in SAFE and not _same_origin(request, host):
            return _refusal(request, 403, "a page of another site may not do this")
        return self._without_token(request) if self.token is not None else None

    def _without_token(self, request: Request) -> Response | None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if self._fits(request.cookies.get(COOKIE, "")):
            return None
        if scheme.lower() == "bearer" and self._fits(given.strip()):
            return None
        if request.method == "GET" and self._fits(request.query_params.get("token", "")):
            response = RedirectResponse(request.url.remove_query_params("token"))
            response.set_cookie(COOKIE, str(self.token), httponly=True, samesite="lax")
            return response
        return _refusal(request, 401, "open the address that `studio serve` has printed")

    def _fits(self, given: str) -> bool:
        """Whether it is the token; takes as long whatever is given."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), str(self.token).encode())


def _refusal(request: Request, status: int, text: str) -> Response:
    """Says nothing of the project: who asks may know nothing of it."""
    api = request.url.path.startswith(API)
    response = problem(status, text) if api else PlainTextResponse(text, status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


def _name(host: str) -> str:
    """The host without its port; nothing if it is none."""
    found = HOST.fullmatch(host)
    return (found[1] or found[2]).lower() if found else ""


def _same_origin(request: Request, host: str) -> bool:
    """Programs send neither header; browsers send one with every POST, `null` from nowhere."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # such as `http://[`
        return False
