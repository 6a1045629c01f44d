"""The tables and warnings of a report, from what the stages wrote.

A run is given as plain data: `Metrics` as the JSON files hold them, `Columns` as the CSV files do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import h5py
import numpy as np

from agch.bootstrap import compare
from agch.evaluation import ACROSS, UNORDERED
from agch.published import PUBLISHED
from agch.report import NONE, Table

Metrics = Mapping[str, Any]
Columns = Mapping[str, Sequence[str]]
FLOORS = {"cca_itq": "CCA-ITQ", "random": "random"}


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
        if key not in floors:  # CCA-ITQ has not as many dimensions as bits on all data
            continue
        cells = []
        for direction, metric in columns:
            ours = np.array(scores[f"{direction} {metric}"], np.float64)
            theirs = np.array(floor_scores[f"{key} {direction} {metric}"], np.float64)
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
    """The state of the codes, and, if measured, what they lose against the outputs before it."""
    codes = found["codes"]
    facts = ("unique_codes", "bit_balance", "bit_correlation")
    state = Table(
        "Codes of the database",
        ["measure", *codes],
        [[fact.replace("_", " "), *(f"{codes[m][fact]:.4g}" for m in codes)] for fact in facts],
        "Bit balance: 0 where every bit splits the rows in halves, 1 where every bit is constant. "
        "Bit correlation: mean absolute correlation of two bits.",
    )
    if "cosine" not in found:
        return [state]
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
        told.append(f"Pictures that could not be read: {unreadable}; their items are left out.")
    if trained["skipped_steps"]:
        told.append(
            f"Training steps skipped, because a loss or gradient was not finite: "
            f"{trained['skipped_steps']}."
        )
    return told


def facts(features: h5py.File, split: h5py.File) -> dict[str, str]:
    """The data in numbers, from data/features.h5 and data/split.h5."""
    width, label = features["text"].shape[1], features["label"][:]
    text = f"{width} features by {features.attrs['text_encoder']}"
    if "vocabulary" in features:
        text = f"{width} words, {features['text'][:].sum() / len(label):.2f} an item"
    rows = {f"{name} rows": str(len(split[name])) for name in ("query", "database", "train")}
    return {
        "source": features.attrs["source"],
        "licence": features.attrs["licence"],
        "image features": f"{features['image'].shape[1]} by {features.attrs['backbone']}",
        "rows": str(len(label)),
        "text": text,
        "labels": f"{label.shape[1]}, {label.sum() / len(label):.2f} an item",
        **rows,
        "validation rows, of the training rows": str(len(split["validation"])),
    }


def _sure(scores: Metrics, metric: str) -> str:
    return f"{scores[metric]:.3f} ± {scores['margin'][metric]:.3f}"
