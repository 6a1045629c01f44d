"""Whether one revision is better than another: paired bootstrap over the queries.

python -m benchmarks.compare half main              # two experiments or commits
python -m benchmarks.compare workspace CCA-ITQ      # the floor of the first revision

Both must have been searched with the same queries. `difference` is first minus second with the
margin of its 95 % interval; p is the chance of one this large, of either sign, if there were none.
"""

from __future__ import annotations

import argparse
import csv
import sys
from pathlib import Path

import dvc.api
import numpy as np
from dvc.exceptions import DvcException
from scmrepo.exceptions import SCMError

from agch import report_tables
from agch.bootstrap import compare, margin
from agch.codes import Floats
from stages import baseline, evaluate, params

FLOORS = {name: key for key, name in report_tables.FLOORS.items()}
Scores = dict[str, Floats]


def main() -> None:
    """Print a Markdown table, a row per metric."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("first", help="an experiment, a commit, or workspace")
    parser.add_argument("second", help=f"likewise, or {' or '.join(FLOORS)} of the first")
    asked = parser.parse_args()
    seed = params.read()["evaluate"]["seed"]
    first_queries, first = scores(asked.first, evaluate.SCORES)
    if asked.second in FLOORS:
        queries, second = scores(asked.first, baseline.SCORES, FLOORS[asked.second] + " ")
    else:
        queries, second = scores(asked.second, evaluate.SCORES)
    if queries != first_queries:
        sys.exit(
            f"error: {asked.first} and {asked.second} were searched with different queries "
            f"({len(first_queries)} and {len(queries)}); compare runs of one split and data set"
        )
    print("\n".join(table(asked.first, asked.second, first, second, seed)))


def table(first_name: str, second_name: str, first: Scores, second: Scores, seed: int) -> list[str]:
    """The lines of the table, for the metrics that both have."""
    width = max(15, len(first_name)), max(15, len(second_name))
    lines = [
        f"| {'metric':13} | {first_name:>{width[0]}} | {second_name:>{width[1]}} "
        f"| {'difference':>16} | {'p':>6} |",
        f"|{'-' * 15}|{'-' * (width[0] + 1)}:|{'-' * (width[1] + 1)}:|{'-' * 17}:|{'-' * 7}:|",
    ]
    for name in (name for name in first if name in second):
        found = compare(first[name], second[name], seed)
        cells = (
            f"{values[name].mean():.3f} ± {margin(values[name], seed):.3f}".rjust(size)
            for values, size in zip((first, second), width)
        )
        lines.append(
            f"| {name:13} | {' | '.join(cells)} "
            f"| {f'{found.mean:+.3f} ± {found.margin:.3f}':>16} | {found.p:6.4f} |"
        )
    return lines


def scores(revision: str, path: Path, prefix: str = "") -> tuple[list[str], Scores]:
    """The queries of a revision and their scores by metric, of the columns with a prefix."""
    rev = None if revision == "workspace" else revision
    try:
        with dvc.api.open(str(path), rev=rev, encoding="utf-8") as file:
            header, *rows = csv.reader(file)
    except (DvcException, SCMError, OSError) as error:
        sys.exit(
            f"error: cannot read {path} of '{revision}' ({error}); give a commit, or an experiment "
            "by its name or id (`dvc exp list -A`)"
        )
    columns = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    queries = columns.pop("query")
    named = {
        name.removeprefix(prefix): np.array(values, np.float64)
        for name, values in columns.items()
        if name.startswith(prefix)
    }
    return queries, named


if __name__ == "__main__":
    main()
