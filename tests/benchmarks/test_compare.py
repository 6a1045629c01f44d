"""Two revisions side by side: the same queries, the metrics both have, the bootstrap's numbers."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dvc.exceptions import FileMissingError
from scmrepo.exceptions import RevError

from agch import bootstrap
from agch.codes import Floats
from benchmarks import compare
from stages import baseline, evaluate

RANDOM = np.random.default_rng(0)
QUERIES = [f"{number:04}" for number in range(60)]


def drawn() -> Floats:
    return RANDOM.random(60).round(6)


OURS = {"i2t map@50": 0.5 + 0.5 * drawn(), "i2t p@1": drawn(), "t2i map@50": drawn()}
THEIRS = {"t2i map@50": drawn(), "i2t recall@9": drawn(), "i2t map@50": 0.5 * drawn()}
FLOOR = {f"cca_itq {name}": drawn() for name in OURS} | {f"random {name}": drawn() for name in OURS}
FILES = {
    (None, evaluate.SCORES): OURS,
    ("half", evaluate.SCORES): THEIRS,
    (None, baseline.SCORES): FLOOR,
}


def text(columns: dict[str, Floats], queries: list[str]) -> str:
    head = ",".join(["query", *columns])
    rows = zip(queries, *(values.tolist() for values in columns.values()), strict=True)
    return "\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n"


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> dict[tuple[str | None, Path], str]:
    """What DVC finds, by revision and path: change it at will."""
    found = {place: text(columns, QUERIES) for place, columns in FILES.items()}

    def opened(path: str, rev: str | None, encoding: str) -> io.StringIO:
        assert encoding == "utf-8"
        return io.StringIO(found[rev, Path(path)])

    monkeypatch.setattr("dvc.api.open", opened)
    monkeypatch.setattr("stages.params.read", lambda: {"evaluate": {"seed": 3}})
    return found


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    monkeypatch.setattr("sys.argv", ["compare", *arguments])
    compare.main()


def same(found: dict[str, Floats], expected: dict[str, Floats]) -> None:
    assert {name: values.tolist() for name, values in found.items()} == {
        name: values.tolist() for name, values in expected.items()
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("|")[1:-1]]


def test_scores_are_numbers_by_metric_and_queries_are_texts(files: Any) -> None:
    queries, found = compare.scores("half", evaluate.SCORES)
    assert queries == QUERIES
    assert list(found) == list(THEIRS)
    same(found, THEIRS)


@pytest.mark.parametrize("floor", ["cca_itq", "random"])
def test_scores_of_a_floor_are_the_columns_with_its_prefix_named_without_it(
    files: Any, floor: str
) -> None:
    _, found = compare.scores("workspace", baseline.SCORES, f"{floor} ")
    same(found, {name: FLOOR[f"{floor} {name}"] for name in OURS})


def test_a_table_has_the_metrics_of_both_in_the_order_of_the_first() -> None:
    head, _, *rows = compare.table("main", "half", OURS, THEIRS, 0)
    assert cells(head) == ["metric", "main", "half", "difference", "p"]
    assert [cells(row)[0] for row in rows] == ["i2t map@50", "t2i map@50"]


def test_a_row_has_both_means_and_their_difference_each_with_its_margin_and_p() -> None:
    for name, row in zip(
        ("i2t map@50", "t2i map@50"), compare.table("a", "b", OURS, THEIRS, 3)[2:]
    ):
        ours, theirs = OURS[name], THEIRS[name]
        difference = bootstrap.compare(ours, theirs, 3)
        assert cells(row)[1:] == [
            f"{ours.mean():.3f} ± {bootstrap.margin(ours, 3):.3f}",
            f"{theirs.mean():.3f} ± {bootstrap.margin(theirs, 3):.3f}",
            f"{difference.mean:+.3f} ± {difference.margin:.3f}",
            f"{difference.p:.4f}",
        ]
    assert cells(row)[3][0] in "+-"


@pytest.mark.parametrize("name", ["main", "an experiment of a long name"])
def test_the_lines_of_a_table_are_of_one_width(name: str) -> None:
    assert len({len(line) for line in compare.table(name, "half", OURS, THEIRS, 0)}) == 1


def test_two_revisions_are_compared_under_the_seed_of_the_parameters(
    files: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "workspace", "half")
    expected = compare.table("workspace", "half", OURS, THEIRS, 3)
    assert capsys.readouterr().out.splitlines() == expected


def test_a_floor_is_that_of_the_first_revision(
    files: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run(monkeypatch, "workspace", "CCA-ITQ")
    floor = {name: FLOOR[f"cca_itq {name}"] for name in OURS}
    expected = compare.table("workspace", "CCA-ITQ", OURS, floor, 3)
    assert capsys.readouterr().out.splitlines() == expected


@pytest.mark.parametrize(
    "queries", [QUERIES[::-1], QUERIES[:-1], [*QUERIES[:-1], "other"]], ids=["order", "few", "one"]
)
def test_runs_with_different_queries_are_not_compared(
    files: dict[tuple[str | None, Path], str], monkeypatch: pytest.MonkeyPatch, queries: list[str]
) -> None:
    columns = {name: values[: len(queries)] for name, values in THEIRS.items()}
    files["half", evaluate.SCORES] = text(columns, queries)
    message = (
        "error: workspace and half were searched with different queries "
        rf"\(60 and {len(queries)}\); compare runs of one split and data set"
    )
    with pytest.raises(SystemExit, match=message):
        run(monkeypatch, "workspace", "half")


@pytest.mark.parametrize(
    "problem", [FileMissingError("data/scores.csv"), RevError("no such revision"), OSError("disk")]
)
def test_a_revision_that_cannot_be_read_is_one_line(
    monkeypatch: pytest.MonkeyPatch, problem: Exception
) -> None:
    def opened(*_: object, **__: object) -> None:
        raise problem

    monkeypatch.setattr("dvc.api.open", opened)
    with pytest.raises(SystemExit) as stopped:
        compare.scores("lost", evaluate.SCORES)
    message = str(stopped.value)
    assert message == (
        f"error: cannot read data/scores.csv of 'lost' ({problem}); give a commit, or an "
        "experiment by its name or id (`dvc exp list -A`)"
    )
