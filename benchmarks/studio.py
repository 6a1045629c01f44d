"""How long the pages of the studio take, as shares of their budgets, in one run.

    python -m benchmarks.studio

A repository of 200 experiments on three branches, each with 64 parameters, 15 metrics and a curve
of 100 rows in git and another one in DVC's cache, and a study of 100 trials, is served by
`studio serve`. Its pages, each with what its charts draw, are asked for one after the other over a
connection that is kept, gzip accepted. `no list yet` is what the first reader ever waits for, `list
kept` the first one after a restart. `new experiment` is how long the list takes to have one; the
line below it is of those who read meanwhile. The bytes of the first page are those of `/runs` and
all that it loads, as they were sent.

Searches are what the page calls, by one item among random ones with codes of 64 bits, 24 hits
shown; words and a picture of one's own pass an encoder before, which is not counted.

The first time stands apart: it makes ready what later ones find. Milliseconds are of this machine
and mean nothing beside those of another run; the share of the budget, by the 95th percentile, is in
the last column.
"""

from __future__ import annotations

import math
import re
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from agch import search
from benchmarks.studio_project import BITS, EXPERIMENTS, STUDY, add, index, repository, study
from benchmarks.studio_server import PATIENCE, Browser, serving
from studio.adapters.agch_demo import AGCHDemo
from studio.adapters.agch_searches import METHODS

ROUNDS = 30
COMPARED, HITS = 20, 24
LIST, COMPARE, SEARCH = 300, 1000, {25_000: 50, 1_000_000: 100}  # ms that are allowed
FIRST_PAGE = 300  # kB
Work = Callable[[Path], Iterator[str]]
HEAD = "| what | first | median | 95 % | budget | share |\n|:--|--:|--:|--:|--:|--:|"


def main() -> None:
    """Print a Markdown table."""
    print(HEAD)
    works: list[Work] = [pages, *(partial(searches, rows=rows) for rows in SEARCH)]
    for work in works:
        with TemporaryDirectory() as name:
            for row in work(Path(name) / "project"):
                print(row, flush=True)


def pages(folder: Path, experiments: int = EXPERIMENTS, rounds: int = ROUNDS) -> Iterator[str]:
    """The lines on the pages of a new repository."""
    repository(folder, experiments)
    study(folder)
    for before, budget in (("no list yet", None), ("list kept", LIST)):
        with serving(folder) as browser:
            yield line(f"`/runs`, {before}", timed(lambda: browser.get("/runs"), 1), budget)
    with serving(folder) as browser:
        for what, path, budget in asked():
            yield line(what, timed(lambda: browser.visit(path), 1 + rounds), budget)
        yield line("bytes of the first page", [loaded(browser) / 1000], FIRST_PAGE, "kB")
        taken, readers = renewed(folder, browser, experiments)
        yield line("new experiment", [taken])
        yield line("`/runs` meanwhile", readers, LIST)


def asked() -> Iterator[tuple[str, str, int | None]]:
    """What is asked for again and again: what it is, path and budget."""
    names = [f"experiment-{number:03}" for number in range(COMPARED)]
    compared = urlencode([("run", name) for name in names])
    yield "`/runs`", "/runs", LIST
    yield "`/runs`, grouped", "/runs?group=1", LIST
    yield "`/runs`, sorted and filtered", "/runs?filter=experiment&sort=fit.p00", LIST
    yield "`/api/v1/runs`", "/api/v1/runs?limit=1000", LIST
    yield "`/runs/…`", f"/runs/{names[0]}", None
    yield f"`/compare`, {COMPARED} runs", f"/compare?{compared}", COMPARE
    yield "`/studies/…`", f"/studies/{STUDY}", None


def renewed(folder: Path, browser: Browser, number: int) -> tuple[float, list[float]]:
    """Milliseconds until the list has an experiment that is new, and those of `/runs` meanwhile."""
    before = browser.count()
    add(folder, number)
    start, readers = time.perf_counter(), timed(lambda: browser.get("/runs"), 1)
    while browser.count() == before:
        readers += timed(lambda: browser.get("/runs"), 1)
        if time.perf_counter() - start > PATIENCE:
            raise SystemExit("error: the list does not have the new experiment")
    return 1000 * (time.perf_counter() - start), readers


def loaded(browser: Browser) -> int:
    """Bytes of the first page and of what it loads."""
    page = browser.text("/runs")
    parts = {*re.findall(r'<(?:script|img|link)[^>]*\s(?:src|href)="(/[^"]+)"', page)}
    return sum(len(browser.get(path)) for path in ("/runs", *sorted(parts)))


def searches(folder: Path, rows: int, rounds: int = ROUNDS) -> Iterator[str]:
    """The lines on an index of so many rows."""
    index(folder, rows)
    by_codes, by_outputs = (method.key for method in METHODS)
    engines = [("numpy", rows, by_codes)] + [("faiss", 0, by_codes)] * bool(find_spec("faiss"))
    for engine, least, method in (*engines, ("numpy", rows, by_outputs)):
        with patch.object(search, "FAISS_FROM", least):
            demo, items = AGCHDemo(folder, folder), count()
            asked: dict[str, Any] = {"choice": str(BITS), "method": method, "k": HITS}
            times = timed(lambda: demo.by_item(next(items), "pictures", **asked), 1 + rounds)
        yield line(f"{rows:,} items, {method}, {engine}", times, SEARCH.get(rows))


def timed(work: Callable[[], object], times: int) -> list[float]:
    """Milliseconds of each call."""
    found = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        found.append(1000 * (time.perf_counter() - start))
    return found


def line(what: str, values: Sequence[float], budget: float | None = None, unit: str = "ms") -> str:
    """A row of the table: the first value, and if there are more the median and so on of these."""
    first, *later = values
    high = percentile(later or values)
    found = [first, *([statistics.median(later), high] if later else [])]
    cells = [f"{value:.1f} {unit}" for value in found] + ["–"] * (3 - len(found))
    cells += [f"{budget:g} {unit}", f"{high / budget:.0%}"] if budget else ["–", "–"]
    return f"| {what} | {' | '.join(cells)} |"


def percentile(values: Sequence[float]) -> float:
    """The least value that 95 % of them do not exceed."""
    return sorted(values)[math.ceil(0.95 * len(values)) - 1]


if __name__ == "__main__":
    main()
