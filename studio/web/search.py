"""The search demo: words find pictures, pictures find words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response, UploadFile

from studio.adapters.demo import Answer, Demo, Side
from studio.errors import NotFound, StudioError
from studio.jobs.kinds import stage_names
from studio.runs.model import WORKSPACE
from studio.web.forms import Form
from studio.web.pages import page, site_of
from studio.web.site import Site

router = APIRouter(include_in_schema=False)
K = 24
WORDS = 5000
"""Known words that a page has for completion."""
COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class Query:
    """What every search says beside what it looks for; empty: the usual one."""

    run: str = WORKSPACE
    choice: str = ""
    method: str = ""
    k: int = K


def _query(run: str = WORKSPACE, choice: str = "", method: str = "", k: int = K) -> Query:
    return Query(run, choice, method, k)


Asked = Annotated[Query, Depends(_query)]


@router.get("/search")
def by_words(request: Request, asked: Asked, words: str = "") -> Response:
    """Pictures that fit words; without words, what one could ask for."""
    try:
        demo, asked = opened(site_of(request), asked)
    except StudioError as error:
        return _none(request, asked, error)
    if "words" not in request.query_params:
        return _shown(request, demo, asked)
    try:
        answer = demo.by_words(words, asked.choice, asked.method, asked.k)
    except StudioError as error:
        return _shown(request, demo, asked, refused=str(error), words=words)
    heading = f"Pictures for “{', '.join(answer.used)}”"
    return _shown(request, demo, asked, answer, heading, words=words)


@router.post("/search/picture")
def by_picture(request: Request, picture: UploadFile, form: Form) -> Response:
    """Items whose words fit a picture."""
    size = str(form.get("k") or K)
    fields = {name: str(form.get(name) or "") for name in ("choice", "method")}
    asked = Query(
        str(form.get("run") or WORKSPACE),
        k=int(size) if size.isascii() and size.isdecimal() and len(size) < 6 else K,
        **fields,
    )
    demo, asked = opened(site_of(request), asked)
    try:
        answer = demo.by_picture(picture.file.read(), asked.choice, asked.method, asked.k)
    except StudioError as error:
        return _shown(request, demo, asked, refused=str(error))
    return _shown(request, demo, asked, answer, "Items whose words fit your picture")


@router.get("/search/items/{item}")
def by_item(request: Request, item: int, asked: Asked, towards: Side = "words") -> Response:
    """From one side of an item to the other."""
    demo, asked = opened(site_of(request), asked)
    answer = demo.by_item(item, towards, asked.choice, asked.method, asked.k)
    side = "words fit the picture" if towards == "words" else "pictures fit the words"
    heading = f"Items whose {side} of item {item}"
    return _shown(request, demo, asked, answer, heading, item=item, towards=towards)


@router.get("/search/pictures/{item}")
def thumbnail(request: Request, item: int, run: str = WORKSPACE) -> Response:
    """A small picture of an item."""
    return picture_of(site_of(request).demo(run), item, run)


def picture_of(demo: Demo, item: int, run: str) -> Response:
    """A picture that browsers may keep: for long where `run` is a commit, which nothing changes.

    What a name leads to may be another one in a minute.
    """
    found, seconds = demo.thumbnail(item), 86400 if COMMIT.fullmatch(run) else 60
    headers = {"Cache-Control": f"private, max-age={seconds}"}
    return Response(found.data, media_type=found.media_type, headers=headers)


def opened(site: Site, asked: Query) -> tuple[Demo, Query]:
    """The demo of a query's run, and the query with its id, a choice and a method filled in.

    Raises:
        StudioError: There is nothing to search, and why.
    """
    run = site.runs.run(asked.run).id
    demo = site.demo(run)
    choice = asked.choice or demo.choices()[0].key
    return demo, Query(run, choice, asked.method or demo.methods()[0].key, asked.k)


def _none(request: Request, asked: Query, why: StudioError) -> Response:
    """The page without a search; the one that the menu leads to is there all the same."""
    site = site_of(request)
    builds = "index" in stage_names(site.project) and site.adapter is not None
    response = page(request, "search.html", demo=None, view=asked, why=why, builds=builds)
    if isinstance(why, NotFound) and asked.run != WORKSPACE:
        response.status_code = 404
    return response


def _shown(
    request: Request,
    demo: Demo,
    asked: Query,
    answer: Answer | None = None,
    heading: str = "",
    refused: str = "",
    **more: Any,
) -> Response:
    site, about = site_of(request), demo.describe()
    adapter = site.adapter
    kept = {"run": asked.run, "choice": asked.choice, "method": asked.method, "k": asked.k}
    response = page(
        request,
        "search.html",
        demo=demo,
        view=asked,
        runs=site.demos.runs(site.runs.runs(), adapter) if adapter else [],
        choices=demo.choices(),
        methods=demo.methods(),
        samples=demo.samples(),
        completions=demo.complete("", WORDS),
        about=f"{about.items:,} items of {about.source} ({about.licence}); {about.model}",
        pictures=about.pictures,
        kept=urlencode(kept),
        answer=answer,
        heading=heading,
        refused=refused,
        **more,
    )
    response.status_code = 400 if refused else 200
    return response
