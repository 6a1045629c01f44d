"""A server of the studio in a process of its own, and who asks it as a browser does."""

from __future__ import annotations

import gzip
import html
import json
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

PATIENCE = 60.0  # seconds until an answer must have come


class Browser:
    """One connection to a server on this machine."""

    def __init__(self, port: int) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)

    def get(self, path: str) -> bytes:
        """What is sent for a path, as it is sent; exits where that is no page."""
        self._connection.request("GET", path, headers={"Accept-Encoding": "gzip"})
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise SystemExit(f"error: {path} was answered with {answer.status}\n{body!r}")
        return body

    def text(self, path: str) -> str:
        """What was sent, unpacked."""
        body = self.get(path)
        return (gzip.decompress(body) if body.startswith(b"\x1f\x8b") else body).decode()

    def visit(self, path: str) -> None:
        """Ask for a page, and then for what its charts draw."""
        for chart in re.findall(r'\sdata-chart="([^"]+)"', self.text(path)):
            self.get(html.unescape(chart))

    def count(self) -> int:
        """How many runs there are."""
        total: int = json.loads(self.text("/api/v1/runs?limit=1"))["total"]
        return total


@contextmanager
def serving(folder: Path) -> Iterator[Browser]:
    """A server of its own process, from when it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "studio", "serve", "--repo", str(folder), "--port", str(port)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL) as server:
        try:
            while not _answers(port):
                if server.poll() is not None:
                    raise SystemExit("error: `studio serve` does not start")
                time.sleep(0.02)
            yield Browser(port)
        finally:
            server.terminate()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
