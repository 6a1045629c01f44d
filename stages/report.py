"""One offline HTML file of the whole run; needs no torch.

Reads   data/images.zip, data/manifest.jsonl, data/features.h5, data/split.h5, data/codes.h5, data/scores.csv, data/baseline_scores.csv, plots/train, plots/retrieval, metrics/train.json, metrics/retrieval.json, metrics/baseline.json
Writes  plots/report.html
Params  train, split, extract, data, evaluate, baseline, runtime
Run     python -m stages.report
"""  # noqa: E501 - the head is one line per kind

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from agch import report_charts, report_tables, samples, storage
from agch.charts import Chart
from agch.evaluation import ACROSS, UNMEASURED
from agch.files import read_table, replacing
from agch.hyperparameters import TrainParams
from agch.manifest import read_manifest
from agch.pictures import thumbnail
from agch.report import Item, Report, Table, render
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
    entries = {entry["id"]: entry for entry in read_manifest(MANIFEST)}
    train, scores = params.load("train", TrainParams), read_table(SCORES)
    with (
        storage.reading(FEATURES, storage.FEATURES) as features,
        storage.reading(SPLIT, storage.SPLIT) as split,
        storage.reading(CODES, storage.CODES) as codes,
        ZipFile(IMAGES) as archive,
    ):
        storage.same_ids(codes, split)
        ids = storage.strings(codes["id"])
        data = report_tables.facts(features, split)
        shown = Items(entries, ids, archive)
        searches = []
        if measured := len(scores) > 1:
            metric = settings["evaluate"]["metrics"][0]
            searches = list(samples.searches(shown, codes, split, scores, metric))
        words = [" ".join(shown.words(row)) for row in split["query"]]
    found, trained, floors = (
        json.loads((METRICS / f"{stage}.json").read_text(encoding="utf-8"))
        for stage in ("retrieval", "train", "baseline")
    )
    tables = results(train, scores, settings, found, floors) if measured else []
    warnings = report_tables.warnings(found, trained, len(entries) - len(ids))
    page = Report(
        title=f"{train.name}, {train.bits} bits, {settings['data']['source']}",
        summary=f"{len(words)} queries search {data['database rows']} rows, picture and text.",
        warnings=warnings if measured else [*warnings, UNMEASURED],
        tables=[*tables, *report_tables.diagnostics(found)],
        charts=charts(words, measured),
        searches=searches,
        parameters=settings,
        data=data,
    )
    with replacing(REPORT) as part:
        part.write_text(render(page), encoding="utf-8")
    print(f"{REPORT}: {len(page.charts)} charts, {len(searches)} sample searches")


def results(
    train: TrainParams,
    scores: dict[str, list[str]],
    settings: dict[str, Any],
    found: report_tables.Metrics,
    floors: report_tables.Metrics,
) -> list[Table]:
    """What was measured, beside the floors, and under both rules for ties."""
    first = report_tables.results(
        train.name,
        settings["data"]["source"],
        train.bits,
        found,
        floors,
        scores,
        read_table(FLOOR_SCORES),
        settings["evaluate"]["seed"],
    )
    return [first, report_tables.ties(found)]


def charts(words: list[str], measured: bool) -> list[Chart]:
    """All curves; `words` are those of the queries."""
    curves = {path.stem: read_table(path) for path in RETRIEVAL.glob("*.csv")}
    validation = {}
    if measured:
        scores = TRAINING / "plots/metrics/validation"
        validation = {name: read_table(scores / f"{name}.tsv") for name in ACROSS}
    return [
        *report_charts.training_charts(read_table(TRAINING / "loss_terms.csv"), validation),
        *(report_charts.retrieval_charts(curves) if measured else ()),
        *report_charts.code_charts(curves, words),
    ]


class Items:
    """What is shown of a row: its words, labels and picture."""

    def __init__(self, entries: dict[str, Any], ids: list[str], archive: ZipFile) -> None:
        self.entries, self.ids, self.archive = entries, ids, archive
        self.names = frozenset(archive.namelist())

    def words(self, row: int) -> list[str]:
        """Its tags; else what else names it."""
        entry = self.entries[self.ids[row]]
        return entry["tags"] or [entry["title"] or entry["caption"][:80] or entry["id"]]

    def __call__(self, row: int) -> Item:
        entry = self.entries[self.ids[row]]
        there = entry["id"] in self.names
        picture = thumbnail(self.archive.read(entry["id"]), SIDE) if there else b""
        return Item(self.words(row), entry["labels"], picture)


if __name__ == "__main__":
    params.run(main)
