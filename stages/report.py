"""One offline HTML file of the whole run; needs no torch.

Reads   data/images.zip, data/manifest.jsonl, data/features.h5, data/split.h5, data/codes.h5, data/scores.csv, data/baseline_scores.csv, plots/train, plots/retrieval, metrics/train.json, metrics/retrieval.json, metrics/baseline.json
Writes  plots/report.html
Params  train, split, extract, data, evaluate, baseline, runtime
Run     python -m stages.report
"""  # noqa: E501 - the head is one line per kind

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import h5py

from agch import overview, storage
from agch.evaluation import ACROSS, DIRECTIONS
from agch.files import read_table, replacing
from agch.pictures import thumbnail
from agch.report import Item, Report, Result, Search, render
from stages import params

IMAGES = Path("data/images.zip")
MANIFEST = Path("data/manifest.jsonl")
FEATURES = Path("data/features.h5")
SPLIT = Path("data/split.h5")
CODES = Path("data/codes.h5")
SCORES = Path("data/scores.csv")
FLOOR_SCORES = Path("data/baseline_scores.csv")
TRAINING = Path("plots/train")
RETRIEVAL = Path("plots/retrieval")
METRICS = Path("metrics")
REPORT = Path("plots/report.html")
SIDE = 160


def main() -> None:
    """Gather what the stages wrote; write it as one page."""
    settings = params.read()
    lines = MANIFEST.read_text(encoding="utf-8").splitlines()
    entries = {entry["id"]: entry for entry in map(json.loads, lines)}
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.reading(SPLIT, storage.SPLIT) as split,
        storage.reading(CODES, storage.CODES) as codes,
        ZipFile(IMAGES) as archive,
    ):
        storage.same_ids(codes, split)
        ids = storage.strings(codes["id"])
        data = facts(features, split)
        items = Items(entries, ids, archive)
        searches = list(samples(items, codes, split, settings["evaluate"]["metrics"][0]))
        asked = [" ".join(entries[ids[row]]["tags"]) for row in split["query"]]
    found, trained, floors = (
        json.loads((METRICS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("retrieval", "train", "baseline")
    )
    train, source = settings["train"], settings["data"]["source"]
    method = train["variant"] if train["method"] == "agch" else train["method"]
    name = {"agch+": "AGCH+", "paper": "AGCH"}.get(method, method.upper())
    curves = TRAINING / "plots/metrics/validation"
    tables = [
        overview.results(
            name,
            source,
            train["bits"],
            found,
            floors,
            read_table(SCORES),
            read_table(FLOOR_SCORES),
            settings["evaluate"]["seed"],
        ),
        overview.ties(found),
        *overview.diagnostics(found),
    ]
    charts = [
        *overview.training_charts(
            read_table(TRAINING / "loss_terms.csv"),
            {direction: read_table(curves / f"{direction}.tsv") for direction in ACROSS},
        ),
        *overview.retrieval_charts(
            {path.stem: read_table(path) for path in sorted(RETRIEVAL.glob("*.csv"))}, asked
        ),
    ]
    page = Report(
        title=f"{name}, {train['bits']} bits, {source}",
        summary=f"{len(asked)} queries search {data['database rows']} rows, picture and text.",
        warnings=overview.warnings(found, trained, len(entries) - len(ids)),
        tables=tables,
        charts=charts,
        searches=searches,
        parameters=settings,
        data=data,
    )
    with replacing(REPORT) as part:
        part.write_text(render(page), encoding="utf-8")
    print(f"{REPORT}: {len(tables)} tables, {len(charts)} charts, {len(searches)} sample searches")


class Items:
    """What is shown of a row: its words, labels and picture."""

    def __init__(self, entries: dict[str, Any], ids: list[str], archive: ZipFile) -> None:
        self.entries, self.ids, self.archive = entries, ids, archive

    def __getitem__(self, row: int) -> Item:
        entry = self.entries[self.ids[row]]
        picture = thumbnail(self.archive.read(entry["id"]), SIDE)
        return Item(entry["tags"], entry["labels"], picture)


def samples(items: Items, codes: h5py.File, split: h5py.File, metric: str) -> Iterator[Search]:
    """The best, the median and the worst query of each direction, by the first metric."""
    scores = read_table(SCORES)
    query, database, label = split["query"][:], split["database"][:], split["label"][:]
    for direction in ACROSS:
        column = scores[f"{direction} {metric}"]
        asking, searched = (codes[modality][:] for modality in DIRECTIONS[direction])
        for standing, place in overview.standing(column).items():
            row = query[place]
            nearest = overview.first_results(
                asking[row], searched[database], label[row], label[database]
            )
            results = [Result(items[database[at]], far, hit) for at, far, hit in nearest]
            score = f"{metric.replace('map', 'AP')} {float(column[place]):.3f}"
            yield Search(direction, standing, score, items[row], results)


def facts(features: h5py.File, split: h5py.File) -> dict[str, str]:
    """The data in numbers."""
    text, label = features["text"][:], features["label"][:]
    rows = {f"{name} rows": str(len(split[name])) for name in ("query", "database", "train")}
    return {
        "source": features.attrs["source"],
        "licence": features.attrs["licence"],
        "image features": f"{features['image'].shape[1]} by {features.attrs['backbone']}",
        "rows": str(len(text)),
        "words": f"{text.shape[1]}, {text.sum() / len(text):.2f} an item",
        "labels": f"{label.shape[1]}, {label.sum() / len(label):.2f} an item",
        **rows,
        "validation rows, of the training rows": str(len(split["validation"])),
    }


if __name__ == "__main__":
    params.run(main)
