"""A browser for the tests of the pages, and what they need to be served."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from studio.process import heeded_by_children

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SCREENSHOTS = "STUDIO_SCREENSHOTS"
"""Names the folder for pictures of the pages; without it none are made."""
PATIENCE = 15000
"""Milliseconds to wait for what a page has to show soon."""
Open = Callable[..., "Page"]


@pytest.fixture(autouse=True, scope="session")
def stoppable() -> None:
    """What the tests start heeds SIGINT, wherever the tests run."""
    heeded_by_children()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser of this machine, without a window."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip(f"no browser on the PATH; install one of {', '.join(PROGRAMS)}")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=program)
        yield made
        made.close()


@pytest.fixture
def opened(browser: Browser) -> Iterator[Open]:
    """Opens an empty page in a window of its own; takes what `Browser.new_context` takes."""
    contexts = []

    def opened(**about: Any) -> Page:
        contexts.append(browser.new_context(**about))
        contexts[-1].set_default_timeout(PATIENCE)
        return contexts[-1].new_page()

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def pictured(request: pytest.FixtureRequest) -> Callable[[Page], None]:
    """Takes a picture of a page for people to look at, where somebody asks for them."""

    def pictured(page: Page) -> None:
        if folder := os.environ.get(SCREENSHOTS):
            name = re.sub(r"\W+", "-", request.node.name.removeprefix("test_")).strip("-")
            page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)

    return pictured
