"""The search demo: words find pictures, pictures find words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Request, Response, UploadFile

from studio.adapters.demo import Answer, Demo, Side
from studio.errors import StudioError
from studio.jobs.kinds import stage_names
from studio.runs.model import WORKSPACE
from studio.web.forms import Form
from studio.web.pages import page, site_of
from studio.web.site import Site

router = APIRouter(include_in_schema=False)
K = 24
WORDS = 5000
"""Known words that a page has for completion."""


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
        return _none(request, asked, str(error))
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
    demo, _ = opened(site_of(request), Query(run))
    return picture_of(demo, item, run)


def picture_of(demo: Demo, item: int, run: str) -> Response:
    """A picture that browsers may keep: for long, but for a minute what may be built anew."""
    found, seconds = demo.thumbnail(item), 60 if run == WORKSPACE else 86400
    headers = {"Cache-Control": f"private, max-age={seconds}"}
    return Response(found.data, media_type=found.media_type, headers=headers)


def opened(site: Site, asked: Query) -> tuple[Demo, Query]:
    """The demo of a query's run, and the query with the usual choice and method filled in.

    Raises:
        StudioError: There is nothing to search, and why.
    """
    demo = site.demo(asked.run)
    choice = asked.choice or demo.choices()[0].key
    return demo, Query(asked.run, choice, asked.method or demo.methods()[0].key, asked.k)


def _none(request: Request, asked: Query, why: str) -> Response:
    site = site_of(request)
    builds = "index" in stage_names(site.project) and site.adapter is not None
    return page(request, "search.html", demo=None, view=asked, why=why, builds=builds)


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
