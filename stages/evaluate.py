"""Retrieval metrics and curves of the codes, in both directions; needs no torch.

Reads   data/codes.h5, data/split.h5
Writes  metrics/retrieval.json, plots/precision_at_k.csv, plots/precision_recall_{i2t,t2i}.csv
Params  evaluate
Run     python -m stages.evaluate
"""

from __future__ import annotations

from pathlib import Path

from agch import storage
from agch.evaluation import ACROSS, EvaluateParams, curve, directions, in_a_line, summary
from agch.files import write_csv, write_json
from stages import params

CODES = Path("data/codes.h5")
SPLIT = Path("data/split.h5")
METRICS = Path("metrics/retrieval.json")
PRECISION_AT_K = Path("plots/precision_at_k.csv")


def main() -> None:
    """Search the database with the queries; write metrics and curves."""
    settings = params.load("evaluate", EvaluateParams)
    with (
        storage.reading(CODES, storage.CODES) as codes,
        storage.reading(SPLIT, storage.SPLIT) as split,
    ):
        storage.same_ids(codes, split)
        packed = {"image": codes["image"][:], "text": codes["text"][:]}
        sides = split["label"][:], split["query"][:], split["database"][:]
        lengths = [int(length) for length in codes["nested"][:-1]]
    found = directions(packed, *sides, settings)
    told = summary(found, settings)
    for length in lengths:
        prefixes = {name: rows[:, : length // 8] for name, rows in packed.items()}
        shorter = directions(prefixes, *sides, settings, ACROSS)
        told.setdefault("nested", {})[f"bits_{length}"] = summary(shorter, settings)
    write_json(METRICS, told)
    database = len(sides[2])
    print(f"{database} database rows; {in_a_line(found, settings)}")
    cutoffs = curve(database)
    across = {name: found[name] for name in ACROSS}
    write_csv(
        PRECISION_AT_K,
        {
            "k": cutoffs,
            **{n: [scores.expected[f"p@{k}"] for k in cutoffs] for n, scores in across.items()},
        },
    )
    for name, scores in across.items():
        write_csv(
            Path(f"plots/precision_recall_{name}.csv"),
            {
                "recall": scores.radius_recall.tolist(),
                name: scores.radius_precision.tolist(),
            },
        )


if __name__ == "__main__":
    params.run(main)
