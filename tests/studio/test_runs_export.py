"""The list of runs for other programs, and the stars of runs."""

from __future__ import annotations

import csv
import io
import json
import math
import multiprocessing
import re
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from studio.runs.export import of_runs, to_csv, to_latex, to_markdown
from studio.runs.model import Run
from studio.runs.stars import Stars

RUNS = [
    Run(
        "1",
        "main",
        "branch",
        params={"x": 1e-05, "t": "a|b", "l": [1, 2]},
        metrics={"m": 0.1 + 0.2},
    ),
    Run(
        "2",
        "two_b",
        "experiment",
        "1",
        "2026-11-22T10:00:00+01:00",
        "failed",
        metrics={"m": math.nan},
    ),
]


def test_csv_has_a_line_for_each_run_to_the_last_digit():
    rows = [
        *csv.reader(io.StringIO(to_csv(of_runs(RUNS, ["x", "t", "l"], ["m", "none"])), newline=""))
    ]
    assert rows == [
        ["name", "kind", "created", "state", "x", "t", "l", "m", "none"],
        ["main", "branch", "", "saved", "1e-05", "a|b", "[1, 2]", "0.30000000000000004", ""],
        ["two_b", "experiment", "2026-11-22T10:00:00+01:00", "failed", "", "", "", "nan", ""],
    ]


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_csv_is_read_back_as_it_was_written(text):
    rows = [
        *csv.reader(
            io.StringIO(to_csv(of_runs([Run("1", text, "branch")], [text], [])), newline="")
        )
    ]
    assert (rows[1][0], rows[0][4]) == (text, text)


def test_markdown_is_a_table_whose_cells_keep_their_signs():
    run = Run("1", "main", "branch", params={"t": "a|b*c_d`e<f\r\n"}, metrics={"m": 0.5})
    assert to_markdown(of_runs([run], ["t"], ["m"])) == (
        "| name | kind | created | state | t | m |\n"
        "| --- | --- | --- | --- | --- | ---: |\n"
        "| main | branch |  | saved | a\\|b\\*c\\_d\\`e\\<f   | 0.5 |\n"
    )


def test_latex_is_a_tabular_with_numbers_at_the_right():
    assert to_latex(of_runs(RUNS[:1], ["x"], ["m"])) == "\n".join(
        [
            "\\begin{tabular}{lllllr}",
            "\\hline",
            "name & kind & created & state & x & m \\\\",
            "\\hline",
            "main & branch &  & saved & 1e-05 & 0.30000000000000004 \\\\",
            "\\hline",
            "\\end{tabular}",
            "",
        ]
    )


@pytest.mark.parametrize(
    "text, expected",
    [
        ("learning_rate", r"learning\_rate"),
        ("50% & $1 #2", r"50\% \& \$1 \#2"),
        ("{a}^b~c", r"\{a\}\textasciicircum{}b\textasciitilde{}c"),
        ("a\\b", r"a\textbackslash{}b"),
        ("[1, 2]", "{[}1, 2]"),  # behind the end of a row, [ would begin an argument
        ("*", "{*}"),
        ("a--b---c", "a-{}-b-{}-{}-c"),
        ("<<x>>", r"\textless{}\textless{}x\textgreater{}\textgreater{}"),
        ("``''?`", "`{}`{}'{}'?{}`"),
        ("-0.5", "-0.5"),
    ],
)
def test_latex_prints_every_sign_as_it_is(text, expected):
    line = to_latex(of_runs([Run("1", text, "branch")], [], [])).splitlines()[4]
    assert line == f"{expected} & branch &  & saved \\\\"


@given(st.text("ab_%&$#{}~^\\<>|\"[*-'`\n", max_size=12))
def test_latex_of_any_text_is_one_row_whose_signs_are_all_escaped(text):
    row = to_latex(of_runs([Run("1", text, "branch")], [], [])).splitlines()[4]
    cell = row.removesuffix(" & branch &  & saved \\\\")
    assert cell != row
    rest = re.sub(r"\\text[a-z]+\{\}|\\[{}$&#_%]|\{[\[*]\}|\{\}", "", cell)
    assert not set(rest) & set('_%&$#{}~^\\<>|"[*\n')


def test_stars_are_kept(tmp_path):
    stars = Stars(tmp_path)
    assert stars.ids() == set()
    stars.unstar("none")
    stars.star("a")
    stars.star("workspace")
    stars.star("a")
    assert Stars(tmp_path).ids() == {"a", "workspace"}
    stars.unstar("a")
    assert Stars(tmp_path).ids() == {"workspace"}
    names = {path.name for path in (tmp_path / ".studio").iterdir()}
    assert names == {"stars.json", "stars.lock"}
    assert json.loads((tmp_path / ".studio" / "stars.json").read_text()) == ["workspace"]


def test_a_torn_file_has_no_stars_and_takes_new_ones(tmp_path):
    Stars(tmp_path).star("a")
    (tmp_path / ".studio" / "stars.json").write_text('["a')
    assert Stars(tmp_path).ids() == set()
    Stars(tmp_path).star("b")
    assert Stars(tmp_path).ids() == {"b"}


def star_ten(folder, first):
    for number in range(first, first + 10):
        Stars(folder).star(str(number))


def test_no_star_is_lost_when_processes_and_threads_give_them_at_once(tmp_path):
    spawn = multiprocessing.get_context("fork")
    processes = [spawn.Process(target=star_ten, args=(tmp_path, first)) for first in (0, 10)]
    for process in processes:
        process.start()
    with ThreadPoolExecutor(2) as pool:
        assert [*pool.map(star_ten, [tmp_path] * 2, (20, 30))] == [None, None]
    for process in processes:
        process.join(20)
        assert process.exitcode == 0
    assert Stars(tmp_path).ids() == {str(number) for number in range(40)}
