"""Headers of every answer: browsers keep other sites out, and load nothing from elsewhere."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

POLICY = {
    "default-src": "'self'",
    "style-src": "'self' 'unsafe-inline'",
    "img-src": "'self' data:",
    "connect-src": "'self'",
    "object-src": "'none'",
    "frame-ancestors": "'none'",
    "form-action": "'self'",
    "base-uri": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in POLICY.items()),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
STATIC = "/assets/"


def set_headers(path: str, headers: MutableHeaders) -> None:
    """Those of the answer of this path; what says nothing of being kept is not kept."""
    headers.update(HEADERS)
    if not path.startswith(STATIC):
        headers.setdefault("Cache-Control", "no-store")
