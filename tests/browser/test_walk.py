"""A walk through the studio on the default data, from a study to its best trial and its pictures.

The parts go on where the one before them has ended.
"""

from __future__ import annotations

import re

import pytest

from .looking import expect, shown, state, tab_to, violations
from .projects import ours
from .serving import served

pytestmark = pytest.mark.slow
SOON = 60000
"""Milliseconds for a job to begin, or to be cancelled."""
LATER = 240000
"""Milliseconds for a job that trains or builds."""


@pytest.fixture(scope="module")
def address(browser, tmp_path_factory):
    with served(ours(tmp_path_factory.mktemp("walk"))) as address:
        yield address


@pytest.fixture
def page(opened):
    return opened(viewport={"width": 1280, "height": 900})


@pytest.fixture
def still(page):
    """Whether the page has never been loaded anew since this was first asked."""

    def still():
        return page.evaluate("(window.still = (window.still ?? 0) + 1) > 1")

    return still


def scores(page):
    """The score of each trial that is complete, as shown."""
    rows = page.get_by_role("region", name="Trials").get_by_role("row").all()[1:]
    cells = [(row.get_by_role("rowheader").inner_text(), row.get_by_role("cell")) for row in rows]
    return {int(number): float(of.nth(1).inner_text().split()[0]) for number, of in cells}


def test_a_study_is_created_by_the_form_and_watched_to_its_end(page, address, still):
    page.goto(f"{address}/studies")
    page.get_by_role("link", name="New study").click()
    page.get_by_label("Name", exact=True).fill("walk")
    page.get_by_label("Trials", exact=True).fill("4")
    page.get_by_label("Trials run by").select_option("DVC experiments")
    page.get_by_label("Epochs of a trial").fill("2")
    page.get_by_label("Share of the training rows").fill("0.5")
    page.get_by_label("Others, a line each").fill("train.seed=1")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Study walk")).to_be_visible()
    still()
    main = page.get_by_role("main")
    for number in range(4):
        expect(main).to_contain_text(f"{number} of 4 trials made", timeout=LATER)
        expect(state(page, "running")).to_be_visible(timeout=SOON)
    expect(state(page, "done")).to_be_visible(timeout=LATER)
    expect(main).to_contain_text("4 complete")
    assert still()
    expect(page.locator("noscript img")).to_have_count(0)  # of those who have no script
    shown(page)
    expect(page.locator("figure svg").first).to_be_visible()
    assert sorted(scores(page)) == [0, 1, 2, 3]


def test_its_best_trial_becomes_an_experiment(page, address, still):
    page.goto(f"{address}/studies/walk")
    found = scores(page)
    best = max(found, key=lambda number: found[number])
    page.get_by_role("button", name=f"Make an experiment of trial {best}", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"trial {best}")
    still()
    expect(state(page, "running")).to_be_visible(timeout=SOON)
    expect(state(page, "done")).to_be_visible(timeout=LATER)
    assert still()


def test_the_experiment_is_compared_with_what_it_is_based_on(page, address):
    page.goto(f"{address}/studies")
    page.get_by_role("row", name="walk").get_by_role("link", name=re.compile("walk-")).click()
    expect(page.get_by_role("row", name="metrics/retrieval.json:i2t.map@50")).to_be_visible()
    expect(page.locator("figure svg").first).to_be_visible()
    page.get_by_role("link", name=re.compile("Compare with")).click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    metrics = page.get_by_role("region", name="Metrics")
    expect(metrics.locator(".best").first).to_be_visible()
    params = page.get_by_role("region", name="Parameters")
    expect(params.get_by_role("row", name="train.seed")).to_be_visible()
    for cheaper in ("train.epochs", "split.train"):
        expect(params).not_to_contain_text(cheaper)


def test_the_index_is_built_by_its_button(page, address):
    page.goto(f"{address}/search")
    expect(page.get_by_label("Words", exact=True)).to_have_count(0)
    assert violations(page) == []
    page.get_by_role("button", name="Build the index").click()
    expect(state(page, "done")).to_be_visible(timeout=LATER)
    page.get_by_role("link", name="Search", exact=True).click()
    expect(page.get_by_label("Words", exact=True)).to_be_visible()


def test_words_of_a_sample_find_pictures_and_a_picture_finds_items(page, address):
    page.goto(f"{address}/search")
    tries = page.get_by_role("main").get_by_role("paragraph").filter(has_text="Try")
    tries.get_by_role("link").first.click()
    hits = page.get_by_role("main").get_by_role("listitem")
    expect(hits).to_have_count(24)
    expect(hits.first.get_by_role("img")).to_be_visible()
    assert hits.first.get_by_role("img").evaluate("(each) => each.decode().then(() => true)")
    distances = [int(re.search(r"(\d+) of \d+", text)[1]) for text in hits.all_inner_texts()]
    assert distances == sorted(distances)
    hits.nth(2).get_by_role("link").first.click()
    expect(page.get_by_role("main")).to_contain_text("Precision of this list")
    expect(hits).to_have_count(24)


def test_an_uploaded_picture_finds_items_and_what_is_none_is_refused(page, address):
    page.goto(f"{address}/search")
    data = page.request.get(f"{address}/search/pictures/5").body()
    upload(page, "mine.jpg", "image/jpeg", data)
    expect(page.get_by_role("heading", name="Items whose words fit your picture")).to_be_visible()
    expect(page.get_by_role("main").get_by_role("listitem")).to_have_count(24)
    assert violations(page) == []
    upload(page, "mine.jpg", "image/jpeg", b"no picture")
    expect(page.get_by_role("alert")).to_contain_text("picture")


def upload(page, name, kind, data):
    given = {"name": name, "mimeType": kind, "buffer": data}
    page.get_by_label("Picture").set_input_files(given)
    page.get_by_role("button", name="Search words").click()


def test_a_job_that_runs_is_cancelled(page, address, still):
    page.goto(f"{address}/jobs")
    page.get_by_text("Run an experiment with other values").click()
    page.get_by_label("Name").fill("long")
    page.get_by_label("Values").fill("train.epochs=4000\ntrain.seed=7")
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("main")).to_contain_text(re.compile(r"step \d+"), timeout=SOON)
    page.get_by_role("button", name="Cancel").click()
    still()
    expect(state(page, "cancelled")).to_be_visible(timeout=SOON)
    assert still()
    expect(page.get_by_role("button", name="Cancel")).to_have_count(0)
    page.goto(f"{address}/runs")
    expect(page.get_by_role("link", name="long", exact=True)).to_have_count(0)


def test_the_keyboard_alone_leads_from_the_runs_to_a_comparison_and_to_pictures(page, address):
    page.goto(f"{address}/runs")
    boxes = page.get_by_role("checkbox", name=re.compile("^Compare "))
    for place in (1, 2):
        tab_to(page, boxes.nth(place))
        page.keyboard.press("Space")
    tab_to(page, page.get_by_role("button", name="Compare"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    tab_to(page, page.get_by_role("link", name="Search", exact=True))
    page.keyboard.press("Enter")
    tab_to(page, page.get_by_label("Words", exact=True))
    page.keyboard.type("flower")
    page.keyboard.press("Enter")
    hits = page.get_by_role("main").get_by_role("listitem")
    expect(hits).to_have_count(24)
    tab_to(page, hits.nth(1).get_by_role("link").first)
    page.keyboard.press("Enter")
    expect(page.get_by_role("main")).to_contain_text("Precision of this list")


def test_the_keyboard_alone_makes_a_study_and_stops_it(page, address):
    page.goto(f"{address}/studies")
    tab_to(page, page.get_by_role("link", name="New study"))
    page.keyboard.press("Enter")
    for label, text in (("Name", "keys"), ("Trials", "2"), ("Epochs of a trial", "40")):
        tab_to(page, page.get_by_label(label, exact=True))
        page.keyboard.press("Control+a")
        page.keyboard.type(text)
    tab_to(page, page.get_by_role("button", name="Create"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Study keys")).to_be_visible()
    tab_to(page, page.get_by_role("button", name="Stop"))
    page.keyboard.press("Enter")
    expect(state(page, "stopped")).to_be_visible(timeout=SOON)
