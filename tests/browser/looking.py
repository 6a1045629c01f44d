"""What is looked at on every page: who is asked, who can use it, whether it fits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from .conftest import PATIENCE

if TYPE_CHECKING:
    from playwright.sync_api import ConsoleMessage, Locator, Page

WITHOUT = "tests in a browser need Playwright and axe; `make extras` installs them"
Axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason=WITHOUT).Axe
expect = pytest.importorskip("playwright.sync_api", reason=WITHOUT).expect
expect.set_options(timeout=PATIENCE)
CONTROLS = """() => [...document.querySelectorAll(
  "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']"
)].filter((each) => each.checkVisibility() && !each.disabled)"""
FOCUS = f"""() => {{
  const at = document.activeElement, box = at.getBoundingClientRect(), style = getComputedStyle(at);
  const inside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
  return {{
    place: ({CONTROLS})().indexOf(at),
    what: at.outerHTML.slice(0, 120),
    visible: inside && style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 1,
  }};
}}"""
NAMES = f"() => ({CONTROLS})().map((each) => each.outerHTML.slice(0, 120))"
TOO_WIDE = """(width) => document.documentElement.scrollWidth <= width ? [] :
  [...document.querySelectorAll("body, body *")]
    .filter((each) => each.scrollWidth > width || each.getBoundingClientRect().right > width)
    .map((each) => each.outerHTML.slice(0, 120))"""

BROKEN = """() => [...document.querySelectorAll("h1, h2, th, dt, label, button, summary")]
  .filter((each) => each.checkVisibility())
  .flatMap((each) => {
    const found = [], texts = document.createTreeWalker(each, NodeFilter.SHOW_TEXT);
    for (let text = texts.nextNode(); text; text = texts.nextNode()) {
      for (const word of text.data.matchAll(/[a-z0-9]{2,12}/gi)) {
        const range = document.createRange();
        range.setStart(text, word.index);
        range.setEnd(text, word.index + word[0].length);
        const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
        if (lines.size > 1) found.push(word[0]);
      }
    }
    return found;
  })"""
DRAWN = """() => [...document.querySelectorAll("figure")].every(
  (each) => each.querySelector("svg, p") || !each.checkVisibility()
) && [...document.images].every(
  (each) => each.complete || each.getBoundingClientRect().top > innerHeight
)"""


class Watched:
    """What a page asks of others than its server, and what the browser complains of."""

    def __init__(self, page: Page, address: str) -> None:
        self.elsewhere: list[str] = []
        self.complaints: list[str] = []
        self._address = address
        page.on("request", lambda request: self._asked(request.url))
        page.on("console", self._said)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _asked(self, url: str) -> None:
        if urlsplit(url).scheme != "data" and not url.startswith(f"{self._address}/"):
            self.elsewhere.append(url)

    def _said(self, message: ConsoleMessage) -> None:
        missing = "status of 4" in message.text  # what a page of an error is
        if message.type in ("error", "warning") and not missing:
            self.complaints.append(message.text)


def shown(page: Page) -> None:
    """Wait until charts are drawn and pictures have come."""
    page.wait_for_function(DRAWN)


def state(page: Page, name: str) -> Locator:
    """Where the page says that its job or its study is in that state."""
    return page.get_by_role("main").get_by_text(name, exact=True).first


def violations(page: Page) -> list[str]:
    """What axe finds: the rule and the elements."""
    found: list[dict[str, Any]] = Axe().run(page).response["violations"]
    return [f"{each['id']}: {node['html']}" for each in found for node in each["nodes"]]


def too_wide(page: Page) -> list[str]:
    """What makes the page as a whole wider than the window."""
    found: list[str] = page.evaluate(TOO_WIDE, page.viewport_size["width"])
    return found


def broken_words(page: Page) -> list[str]:
    """Words of headings and controls that go on in the next line; long ones may."""
    found: list[str] = page.evaluate(BROKEN)
    return found


def unreached(page: Page) -> list[str]:
    """The controls at which Tab does not stop, or stops unseen."""
    names: list[str] = page.evaluate(NAMES)
    left, unseen = set(range(len(names))), []
    for _ in range(len(names) + 1):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        left.discard(focus["place"])
        if focus["place"] >= 0 and not focus["visible"]:
            unseen.append(f"unseen: {focus['what']}")
    return unseen + [f"not reached: {names[place]}" for place in sorted(left)]


def tab_to(page: Page, control: Locator) -> None:
    """Press Tab until the control has the focus."""
    for _ in range(300):
        page.keyboard.press("Tab")
        if control.evaluate("(each) => each === document.activeElement"):
            return
    raise AssertionError(f"Tab does not reach {control}")
