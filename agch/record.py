"""What is recorded of a training run, epoch by epoch, and what is said of it in the end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from dvclive.live import Live

from agch.files import write_csv

Record = dict[str, float]
History = list[Record]
CodeFacts = dict[str, dict[str, float]]


def measured(record: Record) -> list[str]:
    """The directions that were validated: both, or none where there are no labels."""
    return [name for name in ("i2t", "t2i") if f"validation/{name}" in record]


def score(record: Record) -> float:
    """What `select: best` compares: the mean of both directions on the validation rows."""
    return (record["validation/i2t"] + record["validation/t2i"]) / 2


def best_epoch(history: History) -> int:
    """Index of the first epoch with the highest score."""
    return max(range(len(history)), key=lambda epoch: (score(history[epoch]), -epoch))


def in_a_line(record: Record) -> str:
    """The loss and the validation scores of an epoch."""
    scores = ", ".join(f"{d} {record[f'validation/{d}']:.3f}" for d in measured(record))
    loss = f"loss {record['loss/total']:.3f}"
    return f"{loss}, validation map@50 {scores}" if scores else loss


def report(path: Path, epoch: int, record: Record) -> None:
    """Append the epoch and its score as a line of JSON, for whoever follows the run."""
    if measured(record):
        with path.open("a", encoding="utf-8") as file:
            print(json.dumps({"step": epoch, "score": score(record)}), file=file)


def loss_terms(history: History) -> dict[str, list[Any]]:
    """The weighted terms of the loss, a row for each epoch and term, in columns."""
    others = ("loss", "validation", "target")
    rows = [
        (step, name, value)
        for step, record in enumerate(history)
        for name, value in record.items()
        if name.partition("/")[0] not in others
    ]
    return {
        name: [row[place] for row in rows] for place, name in enumerate(("step", "term", "loss"))
    }


def write_curves(folder: Path, history: History) -> None:
    """A TSV per recorded value, by dvclive, which does nothing else; all terms in one CSV."""
    with Live(
        str(folder), dvcyaml=None, save_dvc_exp=False, report=None, monitor_system=False
    ) as live:
        for record in history:
            for name, value in record.items():
                live.log_metric(name, round(value, 6))
            live.next_step()
    write_csv(folder / "loss_terms.csv", loss_terms(history))


def warn_of_collapse(record: Record, codes: CodeFacts) -> None:
    """Say so where few unique codes are left, with the target's scale, the usual reason."""
    for modality, facts in codes.items():
        if facts["collapsed"]:
            print(
                f"warning: the {modality} codes have collapsed to {facts['unique_codes']} unique "
                f"ones; off the diagonal the target's mean is {record['target/mean']:.2f} and "
                "should be well below 0: lower train.gamma_v and train.gamma_t, or let AGCH+ "
                "calibrate (train.target_scale)"
            )


def summary(record: Record, epoch: int, codes: CodeFacts, skipped_steps: int) -> dict[str, Any]:
    """The metrics of a run: those of the chosen epoch (counted from 0), and its codes."""
    losses = {k.removeprefix("loss/"): v for k, v in record.items() if k.startswith("loss/")}
    return {
        "validation": {d: {"map@50": record[f"validation/{d}"]} for d in measured(record)},
        "loss": losses,
        "target": {"mean": record["target/mean"], "std": record["target/std"]},
        "codes": codes,
        "epoch": epoch + 1,
        "skipped_steps": skipped_steps,
    }
