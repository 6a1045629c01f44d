"""The benchmark of the studio: what it measures on is what it says, and so is what it prints."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from agch import search
from benchmarks import studio, studio_project
from benchmarks.studio import line, loaded, pages, percentile, searches, timed
from benchmarks.studio_project import DIFFERING, METRICS, PARAMS, STEPS, TRIALS, add, repository
from benchmarks.studio_server import Browser
from studio.optuna_store import OptunaStore
from studio.runs.compare import differing
from studio.runs.curves import curves
from studio.runs.files import RunFiles
from studio.runs.store import RunStore

NUMBERS = re.compile(r"\d+\.\d")


class Sent(Browser):
    """Answers by path, without a connection."""

    def __init__(self, answers: Mapping[str, bytes]) -> None:
        self.answers, self.asked = answers, list[str]()

    def get(self, path: str) -> bytes:
        self.asked.append(path)
        return self.answers[path]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("small") / "project"
    repository(folder, experiments=6)
    return folder


def test_dvc_lists_the_experiments_of_all_branches_with_all_that_they_have(small: Path) -> None:
    runs = RunStore(small).runs()
    made = [run for run in runs if run.kind == "experiment"]
    assert sorted(run.name for run in made) == [f"experiment-00{n}" for n in range(6)]
    assert len({run.baseline for run in made}) == studio_project.BRANCHES
    assert len({run.created for run in made}) == 6
    for run in made:
        assert (len(run.params), len(run.metrics)) == (PARAMS, METRICS) and not run.error
    assert len(differing(runs)) == DIFFERING + 1  # and the seed


def test_a_curve_is_in_git_and_another_one_in_the_cache(small: Path) -> None:
    run, files = RunStore(small).run("experiment-003"), RunFiles(small)
    assert "loss.tsv" in files.of(run).under("") and "curves" in files.of(run).outs
    lengths = {each.id: [*map(len, each.series.values())] for each in curves(files.of(run))}
    assert lengths == {"loss.tsv": [STEPS], "curves/score": [STEPS]}


def test_one_more_experiment_stands_on_what_is_checked_out(tmp_path: Path) -> None:
    repository(tmp_path / "project", experiments=0)
    store = RunStore(tmp_path / "project")
    assert all(run.kind != "experiment" for run in store.runs())
    add(tmp_path / "project", 7)
    (made,) = (run for run in store.fresh() if run.kind == "experiment")
    assert made.name == "experiment-007" and made.baseline == store.runs()[1].id


def test_the_trials_of_the_study_are_complete(small: Path) -> None:
    studio_project.study(small)
    trials = OptunaStore(small / ".studio" / "studies.journal").trials(studio_project.STUDY)
    assert len(trials) == TRIALS and {trial.state for trial in trials} == {"complete"}


@pytest.mark.slow
def test_every_page_is_timed_and_told_in_one_table(tmp_path: Path) -> None:
    rows = list(pages(tmp_path / "project", experiments=20, rounds=2))
    whats = [row.split(" | ")[0].removeprefix("| ") for row in rows]
    assert whats == [
        "`/runs`, no list yet",
        "`/runs`, list kept",
        "`/runs`",
        "`/runs`, grouped",
        "`/runs`, sorted and filtered",
        "`/api/v1/runs`",
        "`/runs/…`",
        "`/compare`, 20 runs",
        "`/studies/…`",
        "bytes of the first page",
        "new experiment",
        "`/runs` meanwhile",
    ]
    assert all(float(NUMBERS.findall(row)[0]) > 0 for row in rows)
    assert len({row.count("|") for row in [*rows, *studio.HEAD.splitlines()]}) == 1


def test_searches_are_told_by_method_and_engine_and_change_no_setting(tmp_path: Path) -> None:
    pytest.importorskip("faiss")
    before = search.FAISS_FROM
    rows = list(searches(tmp_path / "run", 300, rounds=3))
    whats = [row.split(" | ")[0] for row in rows]
    engines = ("codes, numpy", "codes, faiss", "outputs, numpy")
    assert whats == [f"| 300 items, {engine}" for engine in engines]
    assert search.FAISS_FROM == before


def test_the_first_time_stands_apart_from_the_others_and_the_share_is_of_their_tail() -> None:
    told = line("x", [9.0, 1.0, 2.0, 3.0], 30)
    assert told == "| x | 9.0 ms | 2.0 ms | 3.0 ms | 30 ms | 10% |"
    assert line("x", [60.0], 300, "kB") == "| x | 60.0 kB | – | – | 300 kB | 20% |"
    assert line("x", [9.0]) == "| x | 9.0 ms | – | – | – | – |"


def test_the_95th_percentile_is_reached_by_19_of_20_values() -> None:
    assert percentile(list(range(20, 0, -1))) == 19
    assert percentile([5.0]) == 5 and percentile([1.0, 2.0]) == 2


def test_times_are_milliseconds() -> None:
    assert all(20 <= each < 2000 for each in timed(lambda: time.sleep(0.02), 2))


def test_the_first_page_weighs_what_it_loads_too_and_nothing_that_it_only_links() -> None:
    sent = {
        "/runs": b'<link rel="icon" href="data:,"><link rel="stylesheet" href="/a.css">'
        b'<script src="/b.js" defer></script><a href="/c">c</a>',
        "/a.css": b"12345",
        "/b.js": b"1234567",
    }

    assert loaded(Sent(sent)) == len(sent["/runs"]) + 5 + 7


def test_a_page_is_visited_with_all_that_its_charts_draw() -> None:
    page = b'<figure data-chart="/c?a=1&amp;b=2"></figure><p data-charts="/d">'
    browser = Sent({"/a": gzip.compress(page), "/c?a=1&b=2": b"{}"})
    browser.visit("/a")
    assert browser.asked == ["/a", "/c?a=1&b=2"]
