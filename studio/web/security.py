"""Who may ask: this machine alone unless a token says otherwise, and no page of another site."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from urllib.parse import urlsplit

from fastapi import Request, Response
from starlette.responses import PlainTextResponse, RedirectResponse

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
COOKIE = "studio_token"
SAFE = ("GET", "HEAD", "OPTIONS")
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; frame-ancestors 'none'; form-action 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
Next = Callable[[Request], Awaitable[Response]]


class Guard:
    """What stands before every request.

    Args:
        host: What the server is bound to, as browsers name it in `Host`; loopback always may.
        token: Must be given once as `?token=`, or as a bearer token; `None` where it is not needed.
    """

    def __init__(self, host: str, token: str | None) -> None:
        self.hosts, self.token = {*LOOPBACK, host}, token

    async def __call__(self, request: Request, proceed: Next) -> Response:
        """Refuse, or answer with headers that keep other sites out."""
        refused = self._refused(request)
        response = refused or await proceed(request)
        response.headers.update(HEADERS)
        return response

    def _refused(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if self.token is None and host.rpartition(":")[0] not in self.hosts | {""}:
            return PlainTextResponse(f"this studio does not answer as '{host}'", 421)
        if request.method not in SAFE and not _same_origin(request, host):
            return PlainTextResponse("a page of another site may not do this", 403)
        return self._without_token(request) if self.token else None

    def _without_token(self, request: Request) -> Response | None:
        assert self.token is not None
        header = request.headers.get("authorization", "").removeprefix("Bearer ")
        for given in (request.cookies.get(COOKIE, ""), header):
            if hmac.compare_digest(given.encode(), self.token.encode()):
                return None
        given = request.query_params.get("token", "")
        if request.method == "GET" and hmac.compare_digest(given.encode(), self.token.encode()):
            response = RedirectResponse(request.url.remove_query_params("token"))
            response.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return response
        return PlainTextResponse("open the address that `studio serve` has printed", 401)


def _same_origin(request: Request, host: str) -> bool:
    """Programs send neither header; browsers send one with every POST."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == host
