"""Retrieval metrics and curves of the codes, in both directions; needs no torch on a CPU.

Reads   data/codes.h5, data/split.h5, data/features.h5 (names of the labels)
Writes  metrics/retrieval.json, data/scores.csv (of every query), plots/retrieval/ (curves)
Params  evaluate, runtime
Run     python -m stages.evaluate
"""

from __future__ import annotations

from pathlib import Path

from agch import curves, storage
from agch.codes import Bytes, describe_codes
from agch.evaluation import (
    ACROSS,
    UNMEASURED,
    EvaluateParams,
    Rows,
    cosine,
    curve,
    directions,
    in_a_line,
    per_query,
    summary,
)
from agch.files import replacing, write_csv, write_json
from agch.metrics import Evaluation
from agch.runtime import RuntimeParams, pin_runtime
from stages import params

CODES = Path("data/codes.h5")
SPLIT = Path("data/split.h5")
FEATURES = Path("data/features.h5")
METRICS = Path("metrics/retrieval.json")
SCORES = Path("data/scores.csv")
PLOTS = Path("plots/retrieval")
Sides = tuple[Bytes, Rows, Rows]
"""Labels of all rows, and the rows of query and database."""


def main() -> None:
    """Search the database with the queries; write metrics, scores and curves."""
    settings = params.load("evaluate", EvaluateParams)
    runtime = params.load("runtime", RuntimeParams)
    device = "cpu" if runtime.device == "cpu" else str(pin_runtime(runtime))
    with (
        storage.reading(CODES, storage.CODES) as codes,
        storage.reading(SPLIT, storage.SPLIT) as split,
        storage.reading(FEATURES, storage.FEATURES) as features,
    ):
        storage.same_ids(codes, split)
        packed = {"image": codes["image"][:], "text": codes["text"][:]}
        outputs = {name: codes[f"{name}_output"][:] for name in packed}
        sides = split["label"][:], split["query"][:], split["database"][:]
        lengths = [int(length) for length in codes["nested"][:-1]]
        ids, names = storage.strings(codes["id"]), storage.strings(features["label_name"])
    label, query, database = sides
    told = {"codes": describe_codes({name: rows[database] for name, rows in packed.items()})}
    scores, across = {"query": [ids[row] for row in query]}, {}
    if label.shape[1]:
        found = directions(packed, *sides, settings, device=device)
        nested = {}
        for length in lengths:
            prefixes = {name: rows[:, : length // 8] for name, rows in packed.items()}
            shorter = directions(prefixes, *sides, settings, ACROSS)
            nested[f"bits_{length}"] = summary(shorter, settings)
        told = summary(found, settings) | {"cosine": cosine(outputs, *sides, settings)} | told
        told |= {"nested": nested} if nested else {}
        scores |= per_query(found, settings)
        across = {name: found[name] for name in ACROSS}
    write_json(METRICS, told)
    write_csv(SCORES, scores)
    write_plots(across, packed, sides, names)
    result = in_a_line(across, settings) if across else UNMEASURED
    print(f"{len(database)} database rows; {result}")


def write_plots(
    found: dict[str, Evaluation], packed: dict[str, Bytes], sides: Sides, names: list[str]
) -> None:
    """Write the data of the curves; those of retrieval where it was measured."""
    label, query, database = sides
    with replacing(PLOTS) as part:
        if found:
            cutoffs = curve(len(database))
            write_csv(part / "precision_at_k.csv", curves.at_cutoffs(found, "p", cutoffs))
            write_csv(part / "map_at_k.csv", curves.at_cutoffs(found, "map", cutoffs))
        for name, evaluation in found.items():
            columns = curves.precision_recall(evaluation, name)
            write_csv(part / f"precision_recall_{name}.csv", columns)
            write_csv(part / f"hamming_{name}.csv", curves.hamming_histogram(evaluation))
        write_csv(part / "bit_balance.csv", curves.bit_balance(packed))
        asked = {name: rows[query] for name, rows in packed.items()}
        write_csv(part / "code_map.csv", curves.code_map(asked, label[query], names))


if __name__ == "__main__":
    params.run(main)
