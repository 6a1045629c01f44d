"""Tables of results, in Markdown; each setting is a DVC experiment at a code length and a seed.

python -m benchmarks.table                          # of the workspace
python -m benchmarks.table methods --seeds 3        # random, CCA-ITQ, peers, AGCH, AGCH+
python -m benchmarks.table elsewhere --set data.source=...  # AGCH and AGCH+ on other data
python -m benchmarks.table ablation --bits 64       # what each part brings
python -m benchmarks.table ambiguities --bits 64    # what the paper leaves open
python -m benchmarks.table nested --bits 128        # one model whose prefixes are codes, too
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator

import yaml

from benchmarks.experiments import COLUMNS, Result, floor, results, retrieval, settings
from stages import params

LENGTHS = [16, 32, 64, 128]


def main() -> None:
    """Print the table that was asked for."""
    asked = arguments()
    if asked.group == "workspace":
        print_rows(workspace())
        return
    common = dict(pair.split("=", 1) for pair in asked.set)
    group = settings(asked.group)
    rows = results(
        group, asked.bits, asked.seeds, {k: yaml.safe_load(v) for k, v in common.items()}
    )
    print_rows(spread_nested(rows))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    groups = ["workspace", "methods", "elsewhere", "ablation", "ambiguities", "nested"]
    parser.add_argument("group", nargs="?", default="workspace", choices=groups)
    parser.add_argument("--bits", nargs="+", type=int, default=LENGTHS)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from 0")
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE", help="for every row")
    return parser.parse_args()


def workspace() -> Iterator[Result]:
    """The floor and the codes as they lie in `metrics/`."""
    train = params.read()["train"]
    yield from floor(train["bits"], [None])
    name = train["variant"] if train["variant"] == "agch+" else "agch"
    name = name if train["method"] == "agch" else train["method"]
    yield Result(name.upper(), train["bits"], [retrieval(None)])


def spread_nested(rows: Iterable[Result]) -> Iterator[Result]:
    """A row of its own for each prefix of a nested model, shortest first."""
    for row in rows:
        for key in row.scores[0].get("nested", {}):
            shorter = [scores["nested"][key] for scores in row.scores]
            yield Result(row.name, int(key.removeprefix("bits_")), shorter)
        yield row


def print_rows(rows: Iterable[Result]) -> None:
    """A Markdown table, line after line as the results come."""
    print(f"| bits | {'codes':22} |", " | ".join(f"{' '.join(c):>13}" for c in COLUMNS), "|")
    print(f"|-----:|{'-' * 24}|" + "|".join("-" * 14 + ":" for _ in COLUMNS) + "|")
    for row in rows:
        cells = " | ".join(f"{row.cell(*column):>13}" for column in COLUMNS)
        print(f"| {row.bits:4} | {row.name:22} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
