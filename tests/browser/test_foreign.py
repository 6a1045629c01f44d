"""`studio serve --repo` on a repository that no adapter knows: somebody's forecast of tides."""

from __future__ import annotations

import pytest

from ..studio.runs_repository import call
from .looking import Watched, broken_words, expect, shown, state, too_wide, violations
from .projects import tides
from .serving import served

pytestmark = pytest.mark.slow
SOON = 60000
"""Milliseconds for a job of a small pipeline, on a machine that does other things, too."""
RMSE = "dvclive/metrics.json:rmse"


@pytest.fixture(scope="module")
def project(browser, tmp_path_factory):
    return tides(tmp_path_factory.mktemp("foreign"))


@pytest.fixture(scope="module")
def address(project):
    with served(project) as address:
        yield address


@pytest.fixture
def page(opened):
    return opened(viewport={"width": 1280, "height": 900})


def row(page, region, name):
    """A row of a table, by what it is of."""
    table = page.get_by_role("region", name=region, exact=True)
    head = page.get_by_role("rowheader", name=name, exact=True)
    return table.get_by_role("row").filter(has=head)


def test_branches_and_experiments_are_listed_with_what_differs(page, address):
    page.goto(f"{address}/runs")
    table = page.get_by_role("region", name="Runs")
    for name in ("main", "wide", "calm", "steep", "long"):
        expect(table.get_by_role("link", name=name, exact=True)).to_be_visible()
    heads = table.get_by_role("columnheader").all_inner_texts()
    names = {each.strip() for each in heads}
    assert {"rmse", "seed", "epochs", "layers", "rate"} <= names  # of four files; no file is named
    expect(table.get_by_role("columnheader", name="rmse")).to_have_attribute("title", RMSE)


def test_a_run_shows_parameters_of_all_files_metrics_and_curves(page, address):
    page.goto(f"{address}/runs/steep")
    changed = page.get_by_role("region", name="Changed parameters")
    expect(changed.get_by_role("row")).to_have_count(2)
    expect(changed).to_contain_text("0.75")
    expect(page.get_by_role("row", name=RMSE)).to_contain_text("10.5")  # 0.75 * 10 + 2 + 1
    for title in ("loss", "levels.csv", "errors.json"):
        figure = page.get_by_role("figure").filter(has_text=title)
        expect(figure.locator("svg")).to_be_visible()


def test_runs_of_two_branches_are_compared(page, address):
    page.goto(f"{address}/runs")
    for name in ("calm", "long"):
        page.get_by_role("checkbox", name=f"Compare {name}", exact=True).check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    found = row(page, "Metrics", RMSE)  # 5 + 2 + 0 and 5 + 4 + 1, the lower the better
    expect(found).to_contain_text("lower")
    expect(found.locator(".best")).to_have_text("7")


def test_the_pipeline_is_reproduced(page, address):
    page.goto(f"{address}/jobs")
    page.get_by_role("button", name="Reproduce what has changed").click()
    expect(state(page, "done")).to_be_visible(timeout=SOON)
    expect(page.get_by_role("main")).to_contain_text("Data and pipelines are up to date")


def test_an_experiment_with_another_seed_is_run_and_then_listed(page, address):
    page.goto(f"{address}/jobs")
    page.get_by_text("Run an experiment with other values").click()
    page.get_by_label("Name").fill("ninth")
    page.get_by_label("Values").fill("seed=9")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(state(page, "done")).to_be_visible(timeout=SOON)
    page.goto(f"{address}/runs/ninth")
    expect(page.get_by_role("row", name=RMSE)).to_contain_text("16")  # 5 + 2 + 9


def test_a_parameter_that_is_not_there_is_refused_with_a_sentence(page, address):
    page.goto(f"{address}/jobs")
    page.get_by_text("Run an experiment with other values").click()
    page.get_by_label("Name").fill("tenth")
    page.get_by_label("Values").fill("speed=9")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("speed")


def test_studies_and_search_say_why_there_is_nothing(page, address):
    page.goto(f"{address}/studies")
    expect(page.get_by_role("main")).to_contain_text("adapter")
    expect(page.get_by_role("link", name="New study")).to_have_count(0)
    page.goto(f"{address}/search")
    expect(page.get_by_role("main")).to_contain_text("adapter")
    expect(page.get_by_label("Words", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Build the index")).to_have_count(0)


@pytest.mark.parametrize("path", ("/studies", "/search", "/runs", "/runs/long", "/jobs"))
def test_its_pages_are_accessible_and_ask_nobody_else(page, address, path):
    watched = Watched(page, address)
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{address}{path}")
    shown(page)
    assert too_wide(page) == [] and broken_words(page) == [] and violations(page) == []
    assert watched.elsewhere == [] and watched.complaints == []


def test_git_sees_no_change_of_the_repository_that_was_looked_at(project, address):
    assert (project / ".studio").is_dir()
    assert call(project, "git", "status", "--porcelain") == ""
    assert call(project, "git", "branch", "--format=%(refname:short)").split() == ["main", "wide"]
