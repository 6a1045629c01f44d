"""What is said of a run: the chosen epoch, its metrics, a collapse; skipped steps do not count."""

import math

import pytest
import torch

from agch.errors import InputError
from agch.record import best_epoch, finite_mean, in_a_line, score, summary, warn_of_collapse

RECORD = {
    "loss/total": 3.0,
    "loss/encoders": 2.0,
    "encoders/cross": 1.5,
    "target/mean": -0.5,
    "target/std": 0.25,
    "validation/i2t": 0.25,
    "validation/t2i": 0.75,
}


def test_the_score_is_the_mean_of_both_directions():
    assert score(RECORD) == 0.5


def test_the_best_epoch_is_the_first_of_the_highest():
    history = [RECORD | {"validation/i2t": value} for value in (0.1, 0.5, 0.3, 0.5)]
    assert best_epoch(history) == 1


def test_the_mean_of_an_epoch_leaves_out_what_was_not_finite():
    assert finite_mean("loss", torch.tensor([1.0, math.nan, 3.0, math.inf])) == 2.0


def test_an_epoch_without_a_finite_value_ends_the_training_by_name():
    with pytest.raises(InputError, match="'loss/total' was finite in no step of an epoch"):
        finite_mean("loss/total", torch.tensor([math.nan]))


def test_a_collapse_is_said_with_the_scale_of_the_target(capsys):
    facts = {"unique_codes": 1, "bit_balance": 1.0, "collapsed": 1}
    warn_of_collapse(RECORD, {"image": facts, "text": facts | {"collapsed": 0}})
    printed = capsys.readouterr().out
    assert "warning: the image codes have collapsed to 1 unique ones" in printed
    assert "target's mean is -0.50" in printed
    assert "text" not in printed


def test_the_metrics_are_those_of_the_chosen_epoch_counted_from_one():
    told = summary(RECORD, 6, {}, skipped_steps=2)
    assert told["epoch"] == 7
    assert told["validation"] == {"i2t": {"map@50": 0.25}, "t2i": {"map@50": 0.75}}
    assert told["loss"] == {"total": 3.0, "encoders": 2.0}
    assert told["target"] == {"mean": -0.5, "std": 0.25}
    assert told["skipped_steps"] == 2


def test_a_line_has_loss_and_validation():
    assert in_a_line(RECORD) == "loss 3.000, validation map@50 i2t 0.250, t2i 0.750"
