"""How much a client may send."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from studio.web.errors import refusal

BODY, UPLOAD = 2**20, 12 * 2**20
"""Bytes of a request, and of one that may bring a picture."""
UPLOADS = ("/search/picture", "/api/v1/search/picture")


class BodyLimit:
    """Refuses a request that is said to be too large, and stops reading one that turns out so."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let through what is small enough."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        most = UPLOAD if scope["path"] in UPLOADS else BODY
        text = f"a request to {scope['path']} has at most {most:,} bytes; this one has more"
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and (len(declared) > 18 or int(declared) > most):
            await refusal(Request(scope), 413, text)(scope, receive, send)
            return
        left = most

        async def received() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, text)
            return message

        await self.app(scope, received, send)
