"""Tables of results, in Markdown; each setting is a DVC experiment at a code length and a seed.

python -m benchmarks.table                          # of the workspace
python -m benchmarks.table methods --seeds 3        # random, CCA-ITQ, peers, AGCH, AGCH+
python -m benchmarks.table elsewhere --set data.source=...  # AGCH and AGCH+ on other data
python -m benchmarks.table ablation --bits 64       # what each part brings
python -m benchmarks.table ambiguities --bits 64    # what the paper leaves open
python -m benchmarks.table nested --bits 128        # one model whose prefixes are codes, too
python -m benchmarks.table methods --bits 16 --ties # with each score as expected over ties
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Iterator

import yaml

from agch.hyperparameters import TrainParams
from benchmarks.experiments import (
    COLUMNS,
    Result,
    check_metrics,
    floor,
    results,
    retrieval,
    settings,
)
from stages import params

LENGTHS = [16, 32, 64, 128]
Column = tuple[str, str]
BOTH_RULES = [
    (direction, f"{rule}{metric}") for direction, metric in COLUMNS for rule in ("", "expected ")
]


def main() -> None:
    """Print the table that was asked for."""
    asked = arguments()
    check_metrics()
    if asked.group == "workspace":
        print_rows(workspace(), COLUMNS, Result.sure)
        print("±: half of the 95 % interval of a bootstrap over the queries")
        return
    common = dict(pair.split("=", 1) for pair in asked.set)
    group = settings(asked.group)
    rows = results(
        group, asked.bits, asked.seeds, {k: yaml.safe_load(v) for k, v in common.items()}
    )
    print_rows(spread_nested(rows), BOTH_RULES if asked.ties else COLUMNS, Result.cell)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = ["workspace", "methods", "elsewhere", "ablation", "ambiguities", "nested"]
    parser.add_argument("group", nargs="?", default="workspace", choices=groups)
    parser.add_argument("--bits", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    parser.add_argument("--ties", action="store_true", help="the expected scores, too")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for every row")
    return parser.parse_args()


def workspace() -> Iterator[Result]:
    """The floor and the codes as they lie in `metrics/`."""
    train = params.load("train", TrainParams)
    yield from floor(train.bits, [None])
    yield Result(train.name, train.bits, [retrieval(None)])


def spread_nested(rows: Iterable[Result]) -> Iterator[Result]:
    """A row of its own for each prefix of a nested model, shortest first."""
    for row in rows:
        for key in row.scores[0].get("nested", {}):
            shorter = [scores["nested"][key] for scores in row.scores]
            yield Result(row.name, int(key.removeprefix("bits_")), shorter)
        yield row


def print_rows(
    rows: Iterable[Result], columns: list[Column], cell: Callable[[Result, str, str], str]
) -> None:
    """A Markdown table, line after line as the results come."""
    heads = [f"{' '.join(column):>13}" for column in columns]
    print(f"| bits | {'codes':22} |", " | ".join(heads), "|")
    print(f"|-----:|{'-' * 24}|" + "|".join("-" * (1 + len(head)) + ":" for head in heads) + "|")
    for row in rows:
        cells = " | ".join(f"{cell(row, *c):>{len(h)}}" for c, h in zip(columns, heads))
        print(f"| {row.bits:4} | {row.name:22} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
