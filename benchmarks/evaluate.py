"""How long evaluation takes beside others, as ratios in one run.

    python -m benchmarks.evaluate

At MIRFlickr's size and at a million rows, on made codes and labels. Ours: `agch.metrics.evaluate`,
every metric under both rules for ties. Beside it (the first three with a tenth of the queries, and
ten times their time)

loop        the field's loop, written from the definitions: for each query the distances by a
            product of signs, a stable argsort, and the same metrics of that one order
both rules  the same loop, which then gets the expected values from the tie groups of each query
faiss       IndexBinaryFlat, the full ranking of every query, no metrics
bound       XOR and count of bits over the same pairs, nothing else
"""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from agch.codes import pack
from agch.metrics import evaluate, in_expectation, scores
from agch.ranked import discount
from agch.ranking import Histogram, search, tabulated

AT = (1, 10, 50, 100)
LABELS, LABELS_EACH = 24, 3.8
ROUNDS = 5
PART = 10
Floats = NDArray[np.float32]


class Data(NamedTuple):
    """Signs and 0/1 labels of both sides, as the field's code holds them."""

    query: Floats  # (q, c)
    database: Floats  # (n, c)
    query_labels: Floats  # (q, L)
    database_labels: Floats  # (n, L)


def main() -> None:
    """Print a Markdown table of ratios to the time of ours, and the memory of a million rows."""
    command = [sys.executable, "-m", "benchmarks.evaluate", "memory"]
    peak = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    print("| queries x database | bits |   loop | both rules |  faiss | bound |")
    print("|-------------------:|-----:|-------:|-----------:|-------:|------:|")
    sizes = [(2000, 18_015, bits) for bits in (16, 32, 64, 128)] + [(200, 1_000_000, 64)]
    for queries, rows, bits in sizes:
        works = contenders(made(queries, rows, bits), queries // PART)
        seconds: dict[str, list[float]] = {name: [] for name in works}
        for _ in range(ROUNDS):
            for name, work in works.items():
                seconds[name].append(timed(work))
        ours, loop, both, faiss, bound = (min(times) for times in seconds.values())
        print(
            f"| {f'{queries} x {rows:,}':>18} | {bits:>4} | {PART * loop / ours:>5.1f}x "
            f"| {PART * both / ours:>9.1f}x | {PART * faiss / ours:>5.1f}x "
            f"| {bound / ours:>4.2f}x |",
            flush=True,
        )
    print(f"1,000 queries x 1,000,000 rows of 64 bits: {peak} GB at the peak, data included")


def contenders(data: Data, few: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name: ours and the bound with all queries, the others with few."""
    import faiss

    packed = pack(data.query), pack(data.database)
    labels = data.query_labels.astype(np.uint8), data.database_labels.astype(np.uint8)
    index = faiss.IndexBinaryFlat(data.query.shape[1])
    index.add(packed[1])
    space = search(*packed, *labels)
    return {
        "ours": lambda: evaluate(*packed, *labels, at=AT),
        "loop": lambda: [one_query(data, row) for row in range(few)],
        "both rules": lambda: [one_query(data, row, ties=True) for row in range(few)],
        "faiss": lambda: index.search(packed[0][:few], len(data.database)),
        "bound": lambda: [space.distance(part) for part in space.parts()],
    }


def one_query(data: Data, row: int, ties: bool = False) -> dict[str, Any]:
    """Every metric of one query, as the field's code has them: sort, then look along the list."""
    bits, n = data.query.shape[1], len(data.database)
    shared = data.database_labels @ data.query_labels[row]
    distance = 0.5 * (bits - data.database @ data.query[row])
    order = np.argsort(distance, kind="stable")
    gain = shared[order]
    hit = gain > 0
    found = np.cumsum(hit)
    ranks = np.flatnonzero(hit) + 1
    precision = np.arange(1, len(ranks) + 1) / ranks
    ideal = np.sort(shared)[::-1]
    told: dict[str, Any] = {"map": precision.mean() if len(ranks) else 0.0}
    for k in AT:
        top = ranks <= k
        told[f"map@{k}"] = precision[top].mean() if top.any() else 0.0
        told[f"p@{k}"] = found[k - 1] / k
        told[f"recall@{k}"] = found[k - 1] / max(1, found[-1])
        worth = discount(np.arange(1, k + 1))
        told[f"ndcg@{k}"] = (gain[:k] @ worth) / max(ideal[:k] @ worth, 1e-12)
    within = np.searchsorted(distance[order], np.arange(bits + 1), side="right")
    retrieved = np.append(0, found)[within]
    told["precision"] = retrieved / np.maximum(within, 1)
    told["recall"] = retrieved / max(1, found[-1])
    told["p@radius2"] = told["precision"][2]
    if ties:
        counts = tie_groups(distance.astype(np.int64), shared.astype(np.int64), bits)
        told["expected"] = scores(in_expectation(counts, (*AT, n)), counts, AT)
    return told


def tie_groups(distance: NDArray[np.int64], shared: NDArray[np.int64], bits: int) -> Histogram:
    """The histogram of one query."""
    grades = int(shared.max()) + 1
    cells = np.bincount(distance * grades + shared, minlength=(bits + 1) * grades)
    return tabulated(cells.reshape(1, bits + 1, grades))


def made(queries: int, rows: int, bits: int) -> Data:
    """Labels as frequent as MIRFlickr's; codes that know something of them."""
    random = np.random.default_rng(0)
    labels = random.random((queries + rows, LABELS)) < LABELS_EACH / LABELS
    labels[:, 0] |= ~labels.any(axis=1)
    seen = labels.astype(np.float32) @ random.standard_normal((LABELS, bits), np.float32)
    seen += 2 * random.standard_normal(seen.shape, np.float32)
    codes = np.where(seen > 0, 1, -1).astype(np.float32)
    known = labels.astype(np.float32)
    return Data(codes[:queries], codes[queries:], known[:queries], known[queries:])


def timed(work: Callable[[], object]) -> float:
    """Seconds of one run."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def memory() -> None:
    """Print the peak memory of a process that scores a million rows, in GB."""
    random = np.random.default_rng(0)
    codes = [random.integers(0, 256, (n, 8), dtype=np.uint8) for n in (1000, 1_000_000)]
    labels = [random.integers(0, 8, (n, LABELS), dtype=np.uint8) == 0 for n in (1000, 1_000_000)]
    evaluate(*codes, *(side.astype(np.uint8) for side in labels), at=AT)
    print(f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6:.2f}")


if __name__ == "__main__":
    memory() if sys.argv[1:] == ["memory"] else main()
