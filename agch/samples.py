"""Sample searches of a report: whose they are, and what they find."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

import h5py
import numpy as np

from agch.codes import Bytes
from agch.evaluation import ACROSS, DIRECTIONS
from agch.ranking import search, stable_order
from agch.report import Item, Result, Search

SHOWN = 8
"""Results of a sample search."""


def searches(
    shown: Callable[[int], Item],
    codes: h5py.File,
    split: h5py.File,
    scores: Mapping[str, Sequence[str]],
    metric: str,
) -> Iterator[Search]:
    """The best, the median and the worst query of each direction.

    Args:
        shown: What is shown of a row.
        codes: data/codes.h5. split: data/split.h5. scores: data/scores.csv.
        metric: By which a query is good, such as map@50.
    """
    query, database, label = split["query"][:], split["database"][:], split["label"][:]
    for direction in ACROSS:
        column = scores[f"{direction} {metric}"]
        asking, searched = (codes[modality][:] for modality in DIRECTIONS[direction])
        for name, place in standing(column).items():
            row = query[place]
            nearest = first_results(asking[row], searched[database], label[row], label[database])
            results = [Result(shown(database[at]), far, hit) for at, far, hit in nearest]
            score = f"{metric.replace('map', 'AP')} {float(column[place]):.3f}"
            yield Search(direction, name, score, shown(row), results)


def standing(scores: Sequence[str]) -> dict[str, int]:
    """Places of the best, the median and the worst score; of equally good ones the first leads."""
    order = np.argsort(-np.array(scores, np.float64), kind="stable")
    return {
        "best": int(order[0]),
        "median": int(order[len(order) // 2]),
        "worst": int(order[-1]),
    }


def first_results(
    query_code: Bytes, database_codes: Bytes, query_label: Bytes, database_labels: Bytes
) -> list[tuple[int, int, bool]]:
    """Place in the database, Hamming distance and relevance of a query's first results.

    Args:
        query_code: (c / 8,). database_codes: (n, c / 8).
        query_label: (l,). database_labels: (n, l).
    """
    space = search(query_code[None], database_codes, query_label[None], database_labels)
    distance, shared = space.distance(slice(1)), space.shared(slice(1))
    nearest = stable_order(distance)[0, :SHOWN]
    return [(int(row), int(distance[0, row]), bool(shared[0, row])) for row in nearest]
