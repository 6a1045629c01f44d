"""The table of results: random codes, CCA-ITQ and AGCH, both directions, map@50 and map.

python -m benchmarks.table                  # of the workspace
python -m benchmarks.table 16 32 64 128     # one DVC experiment per code length, `bits-<length>`
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import dvc.api

from stages import baseline, evaluate, params

COLUMNS = [("i2t", "map@50"), ("i2t", "map"), ("t2i", "map@50"), ("t2i", "map")]


def main(lengths: list[int]) -> None:
    """Print the table of the workspace, or of an experiment per code length."""
    names: dict[int, str | None] = {bits: run(bits) for bits in lengths}
    names = names or {params.read()["train"]["bits"]: None}
    print("| bits | codes   |", " | ".join(f"{' '.join(column):>10}" for column in COLUMNS), "|")
    print("|-----:|---------|" + "|".join("-----------:" for _ in COLUMNS) + "|")
    for bits, name in names.items():
        for method, scores in methods(name):
            cells = (f"{scores[direction][metric]:10.3f}" for direction, metric in COLUMNS)
            print(f"| {bits:4} | {method:7} |", " | ".join(cells), "|")


def run(bits: int) -> str:
    """Run the pipeline at this code length beside the workspace; returns the experiment's name."""
    name = f"bits-{bits}"
    print(f"dvc exp run --temp -n {name} -S train.bits={bits}", file=sys.stderr)
    subprocess.run(["dvc", "exp", "remove", "-q", name], stderr=subprocess.DEVNULL)
    command = ["dvc", "exp", "run", "--temp", "-q", "-n", name, "-S", f"train.bits={bits}"]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return name


def methods(revision: str | None) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and scores of each method in a revision; `None` is the workspace."""
    floor = dvc.api.metrics_show(str(baseline.METRICS), rev=revision)
    yield "random", floor["random"]
    yield "CCA-ITQ", floor["cca_itq"]
    yield "AGCH", dvc.api.metrics_show(str(evaluate.METRICS), rev=revision)


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]])
