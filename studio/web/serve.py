"""`studio serve`: the pages of a project, for this machine unless told otherwise."""

from __future__ import annotations

import argparse
import os
import secrets
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from studio.errors import StudioError
from studio.runs.git import git

if TYPE_CHECKING:
    import uvicorn

LOOPBACK = ("127.0.0.1", "localhost", "::1")
"""Where this machine alone can ask; here, where no FastAPI is needed to know it."""
PORTS = 1 << 16


def arguments(sub: argparse.ArgumentParser) -> None:
    """Of the command."""
    sub.add_argument("--repo", type=Path, default=Path(), help="any DVC repository (this folder)")
    sub.add_argument("--port", type=port, default=8765, help="(8765)")
    sub.add_argument("--host", default="127.0.0.1", help="(127.0.0.1) elsewhere it needs a token")
    sub.add_argument("--jobs", type=int, default=1, help="how many run at a time (1)")
    sub.add_argument("--storage", metavar="URL", help="of the studies: a database of Optuna's")


def port(word: str) -> int:
    """The number of a port; 0 is any that is free."""
    if not 0 <= int(word) < PORTS:
        raise argparse.ArgumentTypeError(f"must be from 0 to {PORTS - 1}; got {word}")
    return int(word)


def listening(config: uvicorn.Config) -> socket.socket:
    """Where requests come; ends with a sentence where the port is taken.

    Answers go out at once: asyncio sees to that only of sockets that it has opened itself.
    """
    place = config.bind_socket()
    place.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # which connections take over
    return place


def serve(asked: argparse.Namespace) -> None:
    """Serve until interrupted.

    Raises:
        StudioError: There is no DVC repository, or what serves pages is not installed.
    """
    try:
        import uvicorn

        from studio.web.app import make_app
    except ImportError as error:
        raise StudioError(f"the pages need more: {error}; pip install '.[studio]'") from None
    repo = asked.repo.resolve()
    inside = ("rev-parse", "--is-inside-work-tree")  # at its top, or in a folder of it
    if not (repo / ".dvc").is_dir() or git(repo, *inside) != b"true\n":
        raise StudioError(f"{repo} is no git repository with DVC; name one: --repo")
    os.chdir(asked.repo)  # studies and jobs lie in .studio/ of the project
    token = None if asked.host in LOOPBACK else secrets.token_urlsafe(16)
    app = make_app(Path(), asked.storage, asked.host, token, asked.jobs)
    config = uvicorn.Config(app, asked.host, asked.port, log_level="warning")
    place = listening(config)
    host = f"[{asked.host}]" if ":" in asked.host else asked.host
    address = f"http://{host}:{place.getsockname()[1]}/" + (f"?token={token}" if token else "")
    print(f"studio: {address} (Ctrl-C ends it; jobs go on)", flush=True)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([place])
