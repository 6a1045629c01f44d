"""How long one query takes beside a bare pass over the codes, in one run.

    python -m benchmarks.search

The 100 nearest among random codes of 64 bits, with all ties counted and in order, by each engine of
`agch.search`; the cosine of as many real outputs beside them. The bare pass is XOR and count of
bits over all codes and nothing else. One thread; the engines take turns, the median counts.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from agch.search import BLOCK, CosineIndex, NumpyIndex

SIZES = (25_000, 1_000_000)
BITS = 64
NEAREST = 100
ROUNDS = 21


def main() -> None:
    """Print a Markdown table of milliseconds, and of ratios to the bare pass."""
    print("| rows      |     bare pass |         numpy |         faiss |        cosine |")
    print("|----------:|--------------:|--------------:|--------------:|--------------:|")
    for rows in SIZES:
        print(line(rows, milliseconds(contenders(rows))), flush=True)


def line(rows: int, times: dict[str, float]) -> str:
    """A row of the table."""
    cells = (f"{each:8.3f} {each / times['bare']:4.1f}x" for each in times.values())
    return f"| {f'{rows:,}':>9} | {' | '.join(cells)} |"


def contenders(rows: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name: each call answers the same query."""
    from agch.search_faiss import FaissIndex

    random = np.random.default_rng(0)
    codes = random.integers(0, 256, (rows, BITS // 8), dtype=np.uint8)
    code = random.integers(0, 256, BITS // 8, dtype=np.uint8)
    outputs = random.uniform(-1, 1, (rows, BITS)).astype(np.float32)
    output = random.uniform(-1, 1, BITS).astype(np.float32)
    words, word = codes.view(np.uint64)[:, 0], code.view(np.uint64)[0]
    by_numpy, by_faiss, by_cosine = NumpyIndex(codes), FaissIndex(codes), CosineIndex(outputs)

    def bare() -> None:
        for start in range(0, rows, BLOCK):
            np.bitwise_count(words[start : start + BLOCK] ^ word)

    return {
        "bare": bare,
        "numpy": lambda: by_numpy.search(code, NEAREST),
        "faiss": lambda: by_faiss.search(code, NEAREST),
        "cosine": lambda: by_cosine.search(output, NEAREST),
    }


def milliseconds(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """The median time of each."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(ROUNDS):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - start)
    return {name: 1000 * median(times) for name, times in seconds.items()}


if __name__ == "__main__":
    main()
