"""Every page: for everybody, on every screen, without a script, and nobody else is asked."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.request
from pathlib import Path
from typing import NamedTuple

import pytest

from studio.process import environment

from ..studio.jobs import importable, until
from ..studio.runs_repository import experiment, scores
from .looking import Watched, broken_words, expect, shown, too_wide, unreached, violations
from .plugin import picture
from .projects import small
from .serving import plugin, served, studio

pytestmark = pytest.mark.slow
PAGES = (
    "runs",
    "runs chosen",
    "runs grouped",
    "run",
    "working tree",
    "compare 1",
    "compare 2",
    "compare 20",
    "studies",
    "study new",
    "study from another",
    "study live",
    "study done",
    "study of two objectives",
    "trial failed",
    "jobs",
    "job done",
    "job running",
    "search",
    "search found",
    "search unknown",
    "search refused",
    "search item",
    "api",
    "nothing there",
)
LIVE = ("study live", "jobs", "job running", "studies")
SCREENS = {
    "wide": {"viewport": {"width": 1280, "height": 900}},
    "phone": {"viewport": {"width": 390, "height": 844}},
    "zoomed": {"viewport": {"width": 640, "height": 450}, "device_scale_factor": 2},
}
LOOKS = [
    *((screen, scheme) for screen in ("wide", "phone") for scheme in ("light", "dark")),
    ("zoomed", "light"),
]


class Small(NamedTuple):
    """The served repository and where its pages are."""

    project: Path
    address: str
    paths: dict[str, str]

    def url(self, name):
        return self.address + self.paths[name]


@pytest.fixture(scope="module")
def site(browser, tmp_path_factory):
    """Runs, studies that are done and one that runs, jobs likewise, pictures to search."""
    place = tmp_path_factory.mktemp("pages")
    plugins = plugin(place / "plugins", "shapes", "tests.browser.plugin:Shapes")
    project = small(place)
    make_study(project, plugins, "done", 30, "fit.mode=[quick, quick, fail]")
    make_study(project, plugins, "two", 8, objectives=["deep.score", "min:deep.cost"])
    with served(project, plugins) as address:
        done = asked(address, "/jobs", kind="reproduce")["id"]
        until(lambda: asked(address, f"/jobs/{done}")["state"] == "done")
        words = ["--set", "fit.seconds=600", "--set", "fit.epochs=600"]
        command(project, plugins, "create", "live", *words)
        running = asked(address, "/jobs", kind="study", name="live")["id"]
        until(lambda: any(t["reports"] for t in asked(address, "/studies/live/trials")["items"]))
        until(lambda: "renewed" not in text(address, "/runs"))
        trials = asked(address, "/studies/done/trials")["items"]
        failed = next(trial["number"] for trial in trials if trial["state"] == "failed")
        yield Small(project, address, paths(done, running, failed))


def make_study(project, plugins, name, trials, *sets, objectives=()):
    """A study that has run."""
    words = [word for key in objectives for word in ("--objective", in_file(key))]
    words += [word for each in sets for word in ("--set", each)]
    command(project, plugins, "create", name, "--n-trials", str(trials), *words)
    command(project, plugins, "run", name, "--jobs", "2")


def in_file(key):
    return re.sub("(deep)", r"scores.json:\1", key)


def command(project, plugins, verb, name, *words):
    made = ["--adapter", "shapes", "--runner", "process"] if verb == "create" else []
    done = subprocess.run(
        studio("study", verb, name, *made, *words),
        cwd=project,
        env={**environment(), "PYTHONPATH": importable(plugins)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def asked(address, path, **body):
    """What the API answers."""
    return json.loads(text(address, f"/api/v1{path}", json.dumps(body).encode() if body else None))


def text(address, path, data=None):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{address}{path}", data, headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read().decode("utf-8")


def paths(done, running, failed):
    """Of all pages."""
    many = "&".join(f"run=made-{x:02}" for x in range(19))
    score = "scores.json:deep.score"
    found = {
        "runs": "/runs",
        "runs chosen": f"/runs?filter=seed=1&sort={score}&column={score}&column=fit.x",
        "runs grouped": "/runs?group=1",
        "run": "/runs/two",
        "working tree": "/runs/workspace",
        "compare 1": "/compare?run=two",
        "compare 2": "/compare?run=main&run=two&all=1",
        "compare 20": f"/compare?run=main&{many}",
        "studies": "/studies",
        "study new": "/studies-new",
        "study from another": "/studies-new?earlier=done",
        "study live": "/studies/live",
        "study done": "/studies/done",
        "study of two objectives": "/studies/two",
        "trial failed": f"/studies/done/trials/{failed}",
        "jobs": "/jobs",
        "job done": f"/jobs/{done}",
        "job running": f"/jobs/{running}",
        "search": "/search",
        "search found": "/search?words=red+box",
        "search unknown": "/search?words=blue+circle",
        "search refused": "/search?words=",
        "search item": "/search/items/3",
        "api": "/api",
        "nothing there": "/runs/nothing",
    }
    assert set(found) == set(PAGES)
    return found


@pytest.mark.parametrize("screen, scheme", LOOKS)
@pytest.mark.parametrize("name", PAGES)
def test_a_page(site, opened, pictured, name, screen, scheme):
    """axe has no objection, nothing sticks out, nobody else is asked, the browser is content."""
    page = opened(**SCREENS[screen], color_scheme=scheme)
    watched = Watched(page, site.address)
    answer = page.goto(site.url(name))
    assert answer.status == {"nothing there": 404, "search refused": 400}.get(name, 200)
    expect(page.get_by_role("heading", level=1)).to_have_count(1)
    shown(page)
    pictured(page)
    assert too_wide(page) == [] and broken_words(page) == []
    assert screen == "zoomed" or violations(page) == []
    assert watched.elsewhere == [] and watched.complaints == []


@pytest.mark.parametrize("name", PAGES)
def test_every_control_is_reached_by_tab_and_seen_there(site, opened, name):
    page = opened(**SCREENS["wide"])
    page.goto(site.url(name))
    assert unreached(page) == []


@pytest.mark.parametrize("name", ("runs", "study new", "search found"))
def test_the_first_control_leads_past_the_navigation(site, opened, name):
    page = opened(**SCREENS["wide"])
    page.goto(site.url(name))
    page.keyboard.press("Tab")
    link = page.get_by_role("link", name="Skip to the content")
    expect(link).to_be_focused()
    expect(link).to_be_in_viewport()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('main') !== null")


@pytest.mark.parametrize("name", [name for name in PAGES if name not in LIVE])
def test_without_a_script_a_page_says_the_same(site, opened, name):
    said = []
    for script in (True, False):
        page = opened(java_script_enabled=script)
        page.goto(site.url(name))
        texts = page.locator("main").locator("h1, h2, th, td, dd, summary, label, p, legend")
        said.append(texts.all_text_contents())
    assert said[0] == said[1]
    assert said[0]


@pytest.mark.parametrize("name", ("run", "compare 2", "compare 20", "study done"))
def test_charts_are_drawn_by_a_script_and_are_pictures_without_one(site, opened, name):
    page = opened()
    page.goto(site.url(name))
    shown(page)
    drawn = page.locator("figure svg").count()
    assert drawn >= 1
    page = opened(java_script_enabled=False)
    page.goto(site.url(name))
    pictures = page.locator("figure").get_by_role("img")
    assert pictures.count() == drawn
    for each in pictures.all():
        each.scroll_into_view_if_needed()
        assert each.get_attribute("alt")
        assert each.evaluate("(each) => each.decode().then(() => each.naturalWidth)") > 100


def test_without_a_script_forms_do_what_they_say(site, opened):
    page = opened(java_script_enabled=False)
    page.goto(site.url("run"))
    page.get_by_role("button", name="Star").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("★")
    page.get_by_role("button", name="Remove the star").click()
    expect(page.get_by_role("heading", level=1)).not_to_contain_text("★")


def test_without_a_script_runs_are_sorted_and_compared(site, opened):
    page = opened(java_script_enabled=False)
    page.goto(site.url("runs"))
    page.get_by_label("Sort by").select_option("scores.json:deep.score")
    page.get_by_role("button", name="Show").click()
    rows = page.get_by_role("region", name="Runs").get_by_role("row")
    expect(rows.nth(1)).to_contain_text("two")
    for name in ("two", "made-00"):
        page.get_by_role("checkbox", name=f"Compare {name}", exact=True).check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="Compare 2 runs")).to_be_visible()
    table = page.get_by_role("region", name="Parameters")
    expect(table.get_by_role("row", name="fit.x")).to_contain_text("2")


def test_without_a_script_a_study_is_made_and_a_picture_searched_for(site, opened):
    page = opened(java_script_enabled=False)
    page.goto(site.url("study new"))
    page.get_by_label("Name").fill("by-form")
    page.get_by_label("Trials", exact=True).fill("3")
    page.get_by_role("checkbox", name="run it at once").uncheck()
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("heading", name="Study by-form")).to_be_visible()
    expect(page.get_by_role("main")).to_contain_text("0 of 3 trials made")
    page.goto(site.url("search"))
    given = {"name": "a.png", "mimeType": "image/png", "buffer": picture("blue", "disc")}
    page.get_by_label("Picture").set_input_files(given)
    page.get_by_role("button", name="Search words").click()
    expect(page.get_by_role("listitem").filter(has_text="1. ")).to_contain_text("blue disc")


def test_a_page_that_refreshes_itself_does_so_without_a_complaint(site, opened):
    page = opened(**SCREENS["wide"])
    watched = Watched(page, site.address)
    page.goto(site.url("study live"))
    page.evaluate("window.same = true")
    first = re.search(r"step \d+:", page.get_by_role("main").inner_text())[0]
    expect(page.get_by_role("main")).not_to_contain_text(first)
    expect(page.get_by_role("main")).to_contain_text("step")
    assert page.evaluate("window.same") and watched.complaints == []


def test_what_is_ticked_stays_so_when_the_list_of_runs_renews_itself(site, opened):
    page = opened(**SCREENS["wide"])
    experiment(site.project, "late", scores(score=7.0))
    page.goto(site.url("runs"))
    page.get_by_role("checkbox", name="Compare two", exact=True).check()
    expect(page.get_by_role("checkbox", name="Compare late", exact=True)).not_to_be_checked()
    expect(page.get_by_role("checkbox", name="Compare two", exact=True)).to_be_checked()


def test_a_run_that_was_made_just_now_has_a_page(site, opened):
    page = opened(**SCREENS["wide"])
    experiment(site.project, "latest", scores(score=8.0))
    page.goto(f"{site.address}/runs/latest")
    expect(page.get_by_role("heading", name="latest", exact=True)).to_be_visible()
