"""What each command does: prints for people, returns the same for `--json`."""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from contextlib import suppress
from dataclasses import asdict
from itertools import count
from pathlib import Path
from typing import Any

from tqdm import tqdm

from studio.adapters import get_adapter
from studio.creation import check, coming_along
from studio.creation import create as created
from studio.errors import StudioError
from studio.export import write_chart, write_csv
from studio.importance import importance as measured_importance
from studio.process import environment, report
from studio.promotion import chosen
from studio.promotion import promote as promoted
from studio.proposal import proposed
from studio.runners import Runner
from studio.runners.dvc import DvcRunner, head
from studio.runners.local import ProcessRunner
from studio.search import Search
from studio.standing import stand
from studio.store import FOLDER, Store
from studio.study import Study
from studio.trials import Trial
from studio.words import in_a_line, in_words, numbers, progress, stand_in_a_line, warnings
from studio.written import written_space

LOGS = FOLDER / "logs"
PROJECT = Path()


def create(store: Store, asked: argparse.Namespace) -> dict[str, Any]:
    """Create a study, and say what it will do; with `--dry-run` only say it."""
    adapter = get_adapter(asked.adapter)
    earlier = Study(store, asked.earlier) if asked.earlier else None
    space = written_space(adapter.search_ranges(), asked.space, asked.set)
    fields = ("runner", "n_trials", "timeout", "search_epochs", "subset_ratio", "jobs", "keep")
    wanted = {name: getattr(asked, name) for name in (*fields, "seed", "engine")}
    wanted |= {"objectives": asked.objective, "options": {"pruner": asked.pruner}}
    settings = proposed(PROJECT, adapter, space, wanted)
    if asked.dry_run:
        check(store, asked.name, settings)
        reused = len(coming_along(settings, earlier))
    else:
        reused = len(created(store, asked.name, settings, earlier).trials())
    say = _silent if asked.json else print
    for line in in_words(settings):
        say(line)
    if earlier:
        say(f"{reused} trials of '{earlier.name}' come along")
    if not asked.dry_run:
        say(f"study '{asked.name}' is there; run it by `studio study run {asked.name}`")
    return {"name": asked.name, "reused": reused, **asdict(settings)}


def run(store: Store, asked: argparse.Namespace) -> dict[str, Any]:
    """Run the trials that are left, with a line for each."""
    study = Study(store, asked.name)
    runner: Runner
    if study.settings.runner == "dvc":
        runner = DvcRunner(PROJECT)
    else:
        runner = ProcessRunner(study.adapter, PROJECT)
    say = _silent if asked.json else tqdm.write
    for line in warnings(study.settings, head(PROJECT)):
        say(line)
    done = sum(trial.state != "running" for trial in study.trials())
    step = count(done)
    with tqdm(total=study.settings.n_trials, initial=done, unit="trial", disable=None) as bar:

        def show(trial: Trial) -> None:
            if trial.state == "running":
                bar.set_postfix_str(progress(trial))
            else:
                say(in_a_line(trial))
                bar.update()
                report(next(step), trial.scores[0] if trial.scores else math.nan)

        Search(study, runner, LOGS, show).run(asked.jobs or study.settings.jobs)
    with suppress(StudioError):  # now, while nobody waits for it
        measured_importance(study)
    found = stand(study)
    say(stand_in_a_line(found))
    return found


def status(store: Store, asked: argparse.Namespace) -> Any:
    """How one study stands, or a line for each of all."""
    if asked.name is None:
        rows = [stand(Study(store, name)) for name in store.names()]
        if not asked.json:
            print("\n".join(map(stand_in_a_line, rows)) or "no study yet; studio study create NAME")
        return rows
    study = Study(store, asked.name)
    found = stand(study)
    if not asked.json:
        print("\n".join([*in_words(study.settings), stand_in_a_line(found)]))
    return found


def best(store: Store, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """The trials that no other one beats."""
    study = Study(store, asked.name)
    front = study.engine().best() or [chosen(study, None)]
    if not asked.json:
        for trial in front:
            print(in_a_line(trial))
            for name, value in trial.values.items():
                print(f"  {name}={value}")
    return [asdict(trial) for trial in front]


def importance(store: Store, asked: argparse.Namespace) -> dict[str, Any]:
    """The share of each parameter in the objective."""
    study = Study(store, asked.name)
    found = measured_importance(study)
    if not asked.json:
        print(f"from {found['trials']} completed trials, pruned ones not counted")
        for evaluator, shares in found["shares"].items():
            print(f"{evaluator}:")
            for name, share in sorted(shares.items(), key=lambda item: -item[1]):
                print(f"  {name:32} {share:6.1%} {'#' * round(40 * share)}")
            for name in sorted({*study.space.searched} - {*shares}):
                print(f"  {name:32} left out: not all trials have it")
    return found


def promote(store: Store, asked: argparse.Namespace) -> dict[str, Any]:
    """The best or a chosen trial, with full epochs and data."""
    study = Study(store, asked.name)
    trial = chosen(study, asked.trial)
    name, scores = promoted(study, trial, DvcRunner(PROJECT), LOGS)
    if not asked.json:
        print(f"trial {trial.number} is experiment {name}: {numbers(scores)}")
    if asked.apply:
        command = ["dvc", "exp", "apply", name]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True)
        if done.returncode:
            raise StudioError(f"experiment {name} is there, but `dvc exp apply`: {done.stderr}")
    return {"experiment": name, "trial": trial.number, "scores": scores}


def export(store: Store, asked: argparse.Namespace) -> list[dict[str, Any]]:
    """A row for each trial, or a chart of them."""
    study = Study(store, asked.name)
    if asked.chart:
        write_chart(study, asked.chart)
    elif not asked.json:
        write_csv(study, sys.stdout)
    return [asdict(trial) for trial in study.trials()]


def _silent(line: str) -> None:
    """Where JSON is asked for, it is all there is."""
