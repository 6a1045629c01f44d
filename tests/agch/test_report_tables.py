"""Tables and warnings of a run, from numbers made up to be recognised."""

import numpy as np
import pytest

from agch import report_tables
from agch.bootstrap import compare

METRICS = ("map@50", "p@radius2", "map")
DIRECTIONS = ("i2t", "t2i")


def told(first, expected=0.001):
    """A direction of a metrics file: scores from `first` in steps of 1/8, margins of 1/100 each."""
    scores = {name: first + 0.125 * place for place, name in enumerate(METRICS)}
    ordered = {name: score + expected for name, score in scores.items() if name != "p@radius2"}
    return scores | {"expected": ordered, "margin": {name: 0.01 for name in METRICS}}


def facts(collapsed=0):
    return {
        "unique_codes": 1234,
        "bit_balance": 0.123456,
        "bit_correlation": 0.25,
        "collapsed": collapsed,
    }


FOUND = {
    "i2t": told(0.5),
    "t2i": told(0.625),
    "i2i": {"map@50": 0.9, "p@radius2": 0.9},
    "t2t": {"map@50": 0.9, "p@radius2": 0.9},
    "cosine": {"i2t": {"map@50": 0.53, "map": 0.7}, "t2i": {"map@50": 0.625, "map": 0.9}},
    "codes": {"image": facts(), "text": facts() | {"unique_codes": 99}},
}
FLOORS = {
    "cca_itq": {name: told(0.25) for name in DIRECTIONS},
    "random": {name: told(0.0) for name in DIRECTIONS},
}
TRAINED = {"skipped_steps": 0}


def column(seed, level):
    """Scores of 40 queries as a CSV file holds them."""
    return [f"{value:.6f}" for value in level + 0.1 * np.random.default_rng(seed).random(40)]


SCORES = {
    f"{direction} {metric}": column(place, 0.5)
    for place, (direction, metric) in enumerate((d, m) for d in DIRECTIONS for m in METRICS)
}
FLOOR_SCORES = {
    f"{floor} {name}": column(seed, 0.49 if floor == "cca_itq" else 0.1)
    for floor in report_tables.FLOORS
    for seed, name in enumerate(SCORES, start=10)
}


def results(source="openclipart", bits=16, found=FOUND, floors=FLOORS, seed=0):
    return report_tables.results("AGCH+", source, bits, found, floors, SCORES, FLOOR_SCORES, seed)


def test_results_are_the_first_two_metrics_in_both_directions():
    table = results()
    columns = ["i2t map@50", "i2t p@radius2", "t2i map@50", "t2i p@radius2"]
    assert table.columns == ["codes", *columns]
    rows = {row[0]: row[1:] for row in table.rows}
    assert list(rows) == ["AGCH+", "CCA-ITQ", "random", "AGCH, printed"]
    # 0.5, one step of 1/8 up; 0.625 likewise
    ours = ["0.500 ± 0.010", "0.625 ± 0.010", "0.625 ± 0.010", "0.750 ± 0.010"]
    assert rows["AGCH+"] == ours
    theirs = [cell.split("\n")[0] for cell in rows["CCA-ITQ"]]
    assert theirs == 2 * ["0.250 ± 0.010", "0.375 ± 0.010"]
    assert rows["random"][3].startswith("0.125 ± 0.010\n")


@pytest.mark.parametrize("seed", [0, 1])
def test_every_number_of_a_floor_has_the_p_of_its_difference_to_this_run(seed):
    rows = {row[0]: row[1:] for row in results(seed=seed).rows}
    for key, floor in report_tables.FLOORS.items():
        for place, name in enumerate(
            f"{direction} {metric}" for direction in DIRECTIONS for metric in METRICS[:2]
        ):
            ours = np.array(SCORES[name], float)
            theirs = np.array(FLOOR_SCORES[f"{key} {name}"], float)
            p = compare(ours, theirs, seed).p
            assert rows[floor][place].split("\n")[1] == f"p = {p:.4f}"
    assert len({cell.split("\n")[1] for cell in rows["CCA-ITQ"]}) == 4
    assert rows["random"][0].endswith("p = 0.0001")


def test_the_papers_numbers_stand_under_map_50_of_its_data_and_lengths():
    assert results("mirflickr25k").rows[-1] == ["AGCH, printed", "0.865", "–", "0.829", "–"]
    assert results("mirflickr25k", 128).rows[-1] == ["AGCH, printed", "0.912", "–", "0.880", "–"]
    assert results("mirflickr25k", 24).rows[-1][1:] == 4 * ["–"]
    assert results("openclipart").rows[-1][1:] == 4 * ["–"]


def test_the_note_says_which_run_p_is_about_and_where_the_paper_has_no_number():
    assert "of a difference to AGCH+ as large" in results().note
    assert results().note.endswith("The paper has no number for this data.")
    assert "no number" not in results("mirflickr25k", 24).note


def test_one_metric_makes_a_table_of_one_column_a_direction():
    one = {name: {"map": 0.5, "expected": {}, "margin": {"map": 0.1}} for name in DIRECTIONS}
    assert results(found=one).columns == ["codes", "i2t map", "t2i map"]


def test_ties_have_every_metric_under_both_rules():
    table = report_tables.ties(FOUND)
    columns = ["i2t stable", "i2t expected", "t2i stable", "t2i expected"]
    assert table.columns == ["metric", *columns]
    assert table.rows == [
        ["map@50", "0.5000", "0.5010", "0.6250", "0.6260"],
        ["p@radius2", "0.6250", "0.6250", "0.7500", "0.7500"],  # has no order
        ["map", "0.7500", "0.7510", "0.8750", "0.8760"],
    ]


def test_diagnostics_are_the_state_of_the_codes_and_the_loss_by_the_sign():
    state, lost = report_tables.diagnostics(FOUND)
    assert state.columns[1:] == ["image", "text"]
    assert state.rows == [
        ["unique codes", "1234", "99"],
        ["bit balance", "0.1235", "0.1235"],
        ["bit correlation", "0.25", "0.25"],
    ]
    # 0.53 - 0.5, 0.7 - 0.75; 0.625 - 0.625, 0.9 - 0.875
    assert lost.rows == [
        ["i2t map@50", "0.5000", "0.5300", "+0.0300"],
        ["i2t map", "0.7500", "0.7000", "-0.0500"],
        ["t2i map@50", "0.6250", "0.6250", "+0.0000"],
        ["t2i map", "0.8750", "0.9000", "+0.0250"],
    ]


def test_without_labels_the_state_of_the_codes_is_all_there_is():
    (state,) = report_tables.diagnostics({"codes": FOUND["codes"]})
    assert state.rows[0] == ["unique codes", "1234", "99"]


def test_a_floor_that_was_left_out_has_no_row():
    floors = {name: scores for name, scores in FLOORS.items() if name != "cca_itq"}
    assert [row[0] for row in results(floors=floors).rows] == ["AGCH+", "random", "AGCH, printed"]


def test_a_metric_that_was_not_asked_for_is_not_held_against_cosine():
    # cosine always has map
    found = FOUND | {"i2t": {"map@50": 0.5}, "t2i": {"map@50": 0.5}}
    assert [row[0] for row in report_tables.diagnostics(found)[1].rows] == [
        "i2t map@50",
        "t2i map@50",
    ]


def test_there_is_nothing_to_warn_of_in_a_run_that_went_well():
    assert report_tables.warnings(FOUND, TRAINED, 0) == []


def test_each_modality_that_collapsed_is_a_warning():
    codes = {"image": facts(), "text": facts(1) | {"unique_codes": 3}}
    (warning,) = report_tables.warnings(FOUND | {"codes": codes}, TRAINED, 0)
    assert warning == "The text codes have collapsed: 3 unique ones are left."
    both = FOUND | {"codes": {"image": facts(1), "text": facts(1)}}
    assert len(report_tables.warnings(both, TRAINED, 0)) == 2


def test_pictures_that_were_left_out_and_steps_that_were_skipped_are_warnings():
    unreadable, skipped = report_tables.warnings(FOUND, {"skipped_steps": 7}, 12)
    assert unreadable.startswith("Pictures that could not be read: 12;")
    assert skipped.startswith("Training steps skipped") and skipped.endswith(": 7.")
