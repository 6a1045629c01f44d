"""Settings as DVC experiments beside the workspace, and their metrics.

A setting is a name and its overrides of `params.yaml`. What has run before comes from DVC's run
cache.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import dvc.api
import yaml

from stages import baseline, evaluate, params

Overrides = Mapping[str, Any]
Scores = dict[str, Any]
SETTINGS = Path(__file__).with_name("settings.yaml")
COLUMNS = [("i2t", "map@50"), ("i2t", "map"), ("t2i", "map@50"), ("t2i", "map")]


@dataclass(frozen=True)
class Result:
    """The scores of one setting at one code length, an entry a seed."""

    name: str
    bits: int
    scores: list[Scores]

    def cell(self, direction: str, metric: str) -> str:
        """Mean, and the standard deviation where there are several seeds."""
        mean, spread = self.mean(direction, metric)
        return f"{mean:.3f}" if spread is None else f"{mean:.3f} ± {spread:.3f}"

    def sure(self, direction: str, metric: str) -> str:
        """The score of one seed, and half of the 95 % interval over its queries."""
        (scores,) = self.scores
        return f"{scores[direction][metric]:.3f} ± {scores[direction]['margin'][metric]:.3f}"

    def mean(self, direction: str, metric: str) -> tuple[float, float | None]:
        """Mean over the seeds, and their standard deviation (n - 1) if there are several.

        `expected map@50` is the score with ties in expectation.
        """
        *rule, name = metric.split(" ")
        path = [direction, *rule]
        values: list[float] = [reduce(getitem, path, scores)[name] for scores in self.scores]
        several = len(values) > 1
        return statistics.mean(values), statistics.stdev(values) if several else None


def check_metrics() -> None:
    """Stop unless `evaluate.metrics` names the metrics that the tables show."""
    shown, told = {metric for _, metric in COLUMNS}, params.read()["evaluate"]["metrics"]
    if missing := sorted(shown - {*told}):
        sys.exit(
            f"error: the tables show {' and '.join(missing)}, but evaluate.metrics is "
            f"{', '.join(told)}; add what is missing to params.yaml and run `dvc repro`"
        )


def settings(group: str) -> dict[str, Overrides]:
    """The settings of a group of `settings.yaml`, by name, in its order."""
    groups = yaml.safe_load(SETTINGS.read_text(encoding="utf-8"))
    return {name: overrides or {} for name, overrides in groups[group].items()}


def run(name: str, bits: int, seed: int, overrides: Overrides) -> str:
    """Run the pipeline under a setting; returns the experiment's name."""
    source = overrides.get("data.source", "")
    slug = f"{source} {name}".lower().replace("+", "-plus")
    slug = re.sub(r"[^a-z0-9]+", "-", slug).strip("-")
    experiment = f"{slug}-{bits}-s{seed}"
    values = {"train.bits": bits, "train.seed": seed, "baseline.seed": seed} | dict(overrides)
    sets = [part for key, value in values.items() for part in ("-S", f"{key}={_plain(value)}")]
    subprocess.run(["dvc", "exp", "remove", "-q", experiment], stderr=subprocess.DEVNULL)
    command = ["dvc", "exp", "run", "--temp", "-n", experiment, *sets]
    print(" ".join(command), file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=sys.stderr)
    if done.returncode:
        sys.exit(f"error: experiment {experiment} failed; what it printed is above")
    return experiment


def results(
    group: Mapping[str, Overrides], lengths: list[int], seeds: int, common: Overrides
) -> Iterator[Result]:
    """Run every setting at every length and seed; the floor is measured with the first setting."""
    for bits in lengths:
        for place, (name, overrides) in enumerate(group.items()):
            names = [run(name, bits, seed, {**common, **overrides}) for seed in range(seeds)]
            if place == 0:
                yield from floor(bits, names)
            yield Result(name, bits, [retrieval(revision) for revision in names])


def floor(bits: int, revisions: list[str] | list[None]) -> Iterator[Result]:
    """Random codes and CCA-ITQ in these revisions; `None` is the workspace."""
    found = [dvc.api.metrics_show(str(baseline.METRICS), rev=revision) for revision in revisions]
    yield Result("random", bits, [scores["random"] for scores in found])
    if all("cca_itq" in scores for scores in found):  # else the data has too few dimensions
        yield Result("CCA-ITQ", bits, [scores["cca_itq"] for scores in found])


def retrieval(revision: str | None) -> Scores:
    """The scores of the codes in a revision; `None` is the workspace."""
    found: Scores = dvc.api.metrics_show(str(evaluate.METRICS), rev=revision)
    return found


def _plain(value: object) -> str:
    """A value as Hydra reads it."""
    return value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
