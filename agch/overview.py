"""What a report tells of a run: tables, charts, warnings, sample searches, from what stages wrote.

A run is given as plain data: `Metrics` as the JSON files hold them, `Columns` as the CSV files do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from agch.bootstrap import compare
from agch.charts import About, Chart, Point, bit_chart, histogram, line_chart, scatter
from agch.codes import Bytes, Floats
from agch.evaluation import ACROSS, UNORDERED
from agch.published import PUBLISHED
from agch.ranking import search, stable_order
from agch.report import NONE, Table

Metrics = Mapping[str, Any]
Columns = Mapping[str, Sequence[str]]
FLOORS = {"cca_itq": "CCA-ITQ", "random": "random"}
SHOWN = 8
"""Results of a sample search."""


def results(
    name: str,
    source: str,
    bits: int,
    found: Metrics,
    floors: Metrics,
    scores: Columns,
    floor_scores: Columns,
    seed: int,
) -> Table:
    """The first two metrics in both directions: this run, the floors, the paper.

    Args:
        name: Of this run's codes.
        source: Data source.
        bits: Code length.
        found: metrics/retrieval.json. floors: metrics/baseline.json.
        scores: data/scores.csv. floor_scores: data/baseline_scores.csv.
        seed: Of the bootstrap.
    """
    metrics = list(found["i2t"]["margin"])[:2]
    columns = [(direction, metric) for direction in ACROSS for metric in metrics]
    rows = [[name, *(_sure(found[direction], metric) for direction, metric in columns)]]
    for key, floor in FLOORS.items():
        cells = []
        for direction, metric in columns:
            ours = _numbers(scores[f"{direction} {metric}"])
            theirs = _numbers(floor_scores[f"{key} {direction} {metric}"])
            p = compare(ours, theirs, seed).p
            cells.append(f"{_sure(floors[key][direction], metric)}\np = {p:.4f}")
        rows.append([floor, *cells])
    printed = PUBLISHED.get(source, {})
    paper = [printed.get(d, {}).get(bits) if m == "map@50" else None for d, m in columns]
    rows.append(["AGCH, printed", *(NONE if p is None else f"{p:.3f}" for p in paper)])
    note = (
        "±: half of the 95 % interval of a bootstrap over the queries. p: the chance, two-sided, "
        f"of a difference to {name} as large as found if there were none."
    )
    if not printed:
        note += " The paper has no number for this data."
    return Table("Retrieval", ["codes", *map(" ".join, columns)], rows, note)


def ties(found: Metrics) -> Table:
    """Every metric under both rules for ties."""
    rows = []
    for metric in found["i2t"]["margin"]:
        cells = []
        for direction in ACROSS:
            expected = found[direction]["expected"].get(metric, found[direction][metric])
            cells += [f"{found[direction][metric]:.4f}", f"{expected:.4f}"]
        rows.append([metric, *cells])
    columns = [f"{direction} {rule}" for direction in ACROSS for rule in ("stable", "expected")]
    note = (
        "Stable: items at one distance in the order of the database, as the literature has it. "
        f"Expected: the mean over all their orders. {', '.join(UNORDERED)} has no order."
    )
    return Table("Two rules for ties", ["metric", *columns], rows, note)


def diagnostics(found: Metrics) -> list[Table]:
    """The state of the codes, and what they lose against the outputs before the sign."""
    codes = found["codes"]
    facts = ("unique_codes", "bit_balance", "bit_correlation")
    state = Table(
        "Codes of the database",
        ["", *codes],
        [[fact.replace("_", " "), *(f"{codes[m][fact]:.4g}" for m in codes)] for fact in facts],
        "Bit balance: 0 where every bit splits the rows in halves, 1 where every bit is constant. "
        "Bit correlation: mean absolute correlation of two bits.",
    )
    rows = [
        [f"{direction} {metric}", f"{found[direction][metric]:.4f}", f"{score:.4f}"]
        + [f"{score - found[direction][metric]:+.4f}"]
        for direction, scores in found["cosine"].items()
        for metric, score in scores.items()
        if metric in found[direction]
    ]
    lost = Table(
        "What the sign costs",
        ["metric", "by Hamming distance", "by cosine", "difference"],
        rows,
        "Cosine: of the outputs before the sign.",
    )
    return [state, lost]


def warnings(found: Metrics, trained: Metrics, unreadable: int) -> list[str]:
    """What a reader must know before believing a number."""
    told = [
        f"The {modality} codes have collapsed: {facts['unique_codes']} unique ones are left."
        for modality, facts in found["codes"].items()
        if facts["collapsed"]
    ]
    if unreadable:
        told.append(f"{unreadable} pictures could not be read; their items are left out.")
    if trained["skipped_steps"]:
        told.append(
            f"{trained['skipped_steps']} training steps were skipped because a loss or gradient "
            "was not finite."
        )
    return told


def training_charts(terms: Columns, validation: Mapping[str, Columns]) -> Iterator[Chart]:
    """The terms of each block's loss, and the validation scores, over the epochs.

    Args:
        terms: plots/train/loss_terms.csv.
        validation: The recorded curve of each direction.
    """
    blocks: dict[str, dict[str, list[float]]] = {}
    for term, loss in zip(terms["term"], terms["loss"], strict=True):
        block, _, name = term.partition("/")
        blocks.setdefault(block, {}).setdefault(name, []).append(float(loss))
    for block, series in blocks.items():
        epochs = range(1, 1 + len(next(iter(series.values()))))
        text = "The weighted terms of the training loss, mean of each epoch."
        yield line_chart(About(f"Loss: {block}", text, "epoch", "loss"), epochs, series)
    scores = {name: _numbers(curve[name]).tolist() for name, curve in validation.items()}
    about = About(
        "Validation", "map@50 on the held-out training rows.", "epoch", "map@50, expected"
    )
    yield line_chart(about, range(1, 1 + len(next(iter(scores.values())))), scores)


def retrieval_charts(curves: Mapping[str, Columns], names: Sequence[str]) -> Iterator[Chart]:
    """The charts of plots/retrieval/, by the names of its files; `names`: of the map's points."""
    for metric, title in (("precision", "Precision at k"), ("map", "map at k")):
        x, ys = _split(curves[f"{metric}_at_k"])
        about = About(title, "Ties in expectation.", "k", f"{metric}@k")
        yield line_chart(about, x, ys, log_x=True)
    yield _precision_recall(curves)
    for direction in ACROSS:
        x, ys = _split(curves[f"hamming_{direction}"])
        text = "Shares of the relevant and of the irrelevant pairs; the further apart, the better."
        about = About(f"Hamming distances, {direction}", text, "Hamming distance", "share of pairs")
        yield histogram(about, [int(distance) for distance in x], ys)
    _, shares = _split(curves["bit_balance"])
    for modality, share in shares.items():
        text = "A bit that is +1 for half of the rows says the most."
        yield bit_chart(About(f"Bits of the {modality} codes", text, "bit", "share of +1"), share)
    places = curves["code_map"]
    columns = (places[name] for name in ("x", "y", "label", "modality"))
    rows = zip(*columns, [*names, *names], strict=True)
    points = [Point(float(x), float(y), *words) for x, y, *words in rows]
    text = "Both codes of each query on the two principal components of all of them."
    yield scatter(
        About("Codes of the queries", text, "first component", "second component"), points
    )


def _precision_recall(curves: Mapping[str, Columns]) -> Chart:
    recalls: list[float] = []
    lines: dict[str, list[float | None]] = {direction: [] for direction in ACROSS}
    for direction in ACROSS:
        x, ys = _split(curves[f"precision_recall_{direction}"])
        recalls += x
        for name, line in lines.items():
            line += ys[name] if name == direction else [None] * len(x)
    about = About("Precision and recall", "By Hamming radius.", "recall", "precision")
    return line_chart(about, recalls, lines, row_order=True)


def standing(scores: Sequence[str]) -> dict[str, int]:
    """Places of the best, the median and the worst score; of equally good ones the first leads."""
    order = np.argsort(-_numbers(scores), kind="stable")
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


def _sure(scores: Metrics, metric: str) -> str:
    return f"{scores[metric]:.3f} ± {scores['margin'][metric]:.3f}"


def _numbers(texts: Sequence[str]) -> Floats:
    return np.array(texts, np.float64)


def _split(columns: Columns) -> tuple[list[float], dict[str, list[float]]]:
    """The first column, and the others by name."""
    (_, x), *ys = columns.items()
    return _numbers(x).tolist(), {name: _numbers(y).tolist() for name, y in ys}
