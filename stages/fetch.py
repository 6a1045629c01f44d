"""Find the data source, download it where its owners publish it, and notice when it has changed.

Reads   the data source wherever it lies
Writes  data/source.json
Params  data
Run     python -m stages.fetch

It runs every time, in a second, because DVC itself would read every picture to notice a change.
"""

from __future__ import annotations

from pathlib import Path

from agch.files import write_json
from agch.fingerprint import fingerprint
from agch.sources import DataParams, fetch
from stages import params

STATE = Path("data/source.json")


def main() -> None:
    """Write what `prepare` depends on: a digest that changes with the source."""
    settings = params.load("data", DataParams)
    path = fetch(settings)
    digest, files = fingerprint(path)
    write_json(STATE, {"source": settings.source, "files": files, "fingerprint": digest})
    print(f"{settings.source}: {files} {'file' if files == 1 else 'files'} at {path}")


if __name__ == "__main__":
    params.run(main)
