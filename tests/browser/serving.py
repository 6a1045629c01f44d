"""`studio serve` as users start it: a process of its own that Ctrl-C ends."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from studio.jobs.board import Board
from studio.process import environment

from ..studio.jobs import importable, until


@contextmanager
def served(project: Path, plugins: Path | None = None) -> Iterator[str]:
    """The address of a project's pages while they are served; no job of it goes on afterwards.

    Args:
        plugins: A folder of packages that the server and its jobs find beside the installed ones.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = project.with_name(f"{project.name}.log")
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*studio("serve"), "--repo", str(project), "--port", str(port)],
            env={**environment(), "PYTHONPATH": importable(plugins)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    address = f"http://127.0.0.1:{port}"
    try:
        until(lambda: server.poll() is not None or _answers(address))
        assert server.poll() is None, log.read_text(encoding="utf-8")
        yield address
    finally:
        _end_jobs(project)
        server.send_signal(signal.SIGINT)
        assert server.wait(20) == 0
    assert "Traceback" not in log.read_text(encoding="utf-8"), log.read_text(encoding="utf-8")


def studio(*words: str) -> list[str]:
    """The command line of the studio beside the tests."""
    return [sys.executable, "-P", "-m", "studio", *words]


def plugin(folder: Path, name: str, where: str) -> Path:
    """A folder with an installed package, as far as its adapter goes."""
    about = folder / f"{name}-1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (about / "entry_points.txt").write_text(f"[studio.adapters]\n{name} = {where}\n")
    return folder


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/v1/jobs", timeout=5):
            return True
    except (urllib.error.URLError, TimeoutError):
        return False


def _end_jobs(project: Path) -> None:
    board = Board(project)
    for job in board.live():
        board.cancel(job.id)
    until(lambda: board.tick() or not board.live())
