"""What is said of a run: the chosen epoch, its metrics, its curves, a collapse."""

from agch.files import read_table
from agch.record import (
    best_epoch,
    in_a_line,
    loss_terms,
    score,
    summary,
    warn_of_collapse,
    write_curves,
)

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


TERMS = {"encoders/cross": 2 / 3, "encoders/graph": 0.5, "helpers/graph": 0.25}
HISTORY = [RECORD | TERMS, RECORD | {name: 2 * value for name, value in TERMS.items()}]


def test_the_terms_of_the_loss_are_a_row_each_epoch_by_epoch():
    # neither their sums nor the target nor the validation scores are terms
    assert loss_terms(HISTORY) == {
        "step": [0, 0, 0, 1, 1, 1],
        "term": 2 * list(TERMS),
        "loss": [2 / 3, 0.5, 0.25, 4 / 3, 1.0, 0.5],
    }


def curves(folder):
    """The bytes of all files below, by their place."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_every_recorded_value_is_a_curve_and_all_terms_are_one_table(tmp_path):
    write_curves(tmp_path / "train", HISTORY)
    files = curves(tmp_path / "train")
    tables = {name for name in files if name != "metrics.json"}
    recorded = {f"plots/metrics/{name}.tsv" for name in HISTORY[0]}
    assert tables == recorded | {"loss_terms.csv"}
    assert files["plots/metrics/encoders/cross.tsv"] == b"step\tcross\n0\t0.666667\n1\t1.333333\n"
    head, first, *_, last = files["loss_terms.csv"].decode().splitlines()
    assert (head, first) == ("step,term,loss", "0,encoders/cross,0.666667")
    assert last == "1,helpers/graph,0.5"
    scores = read_table(tmp_path / "train/plots/metrics/validation/t2i.tsv")
    assert scores == {"step": ["0", "1"], "t2i": ["0.75", "0.75"]}


def test_equal_runs_are_written_to_equal_bytes(tmp_path):
    for name in ("one", "two"):
        write_curves(tmp_path / name, HISTORY)
    assert curves(tmp_path / "one") == curves(tmp_path / "two")


def test_of_a_run_without_labels_no_validation_is_told():
    record = {k: v for k, v in RECORD.items() if not k.startswith("validation/")}
    assert in_a_line(record) == "loss 3.000"
    assert summary(record, 0, {}, 0)["validation"] == {}
