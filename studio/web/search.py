"""The search demo: words find pictures, pictures find words."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response, UploadFile

from studio.adapters.demo import Answer, Demo, Side
from studio.errors import StudioError
from studio.web.pages import page, site_of

router = APIRouter()
K = 24
MOST_BYTES = 10 * 2**20
LONG = {"Cache-Control": "private, max-age=86400"}


@router.get("/search")
def by_words(
    request: Request, words: str = "", choice: str = "", method: str = "", k: int = K
) -> Response:
    """Pictures that fit words; without words, what one could ask for."""
    demo, why = _demo(request)
    if demo is None:
        return page(request, "search.html", demo=None, why=why)
    asked = _asked(demo, words, choice, method, k)
    if "words" not in request.query_params:
        return _shown(request, demo, asked, None, "")
    try:
        answer = demo.by_words(words, asked["choice"], asked["method"], k)
    except StudioError as error:
        return _shown(request, demo, asked, None, "", str(error))
    return _shown(request, demo, asked, answer, f"Pictures for “{words}”")


@router.post("/search/picture")
async def by_picture(request: Request, picture: UploadFile) -> Response:
    """Items whose words fit a picture."""
    demo, why = _demo(request)
    if demo is None:
        raise StudioError(why)
    form = await request.form()
    size = str(form.get("k") or K)
    k = int(size) if size.isascii() and size.isdecimal() else K
    asked = _asked(demo, "", str(form.get("choice", "")), str(form.get("method", "")), k)
    data = await picture.read(MOST_BYTES + 1)
    try:
        answer = demo.by_picture(data, asked["choice"], asked["method"], k)
    except StudioError as error:
        return _shown(request, demo, asked, None, "", str(error))
    return _shown(request, demo, asked, answer, "Items whose words fit your picture")


@router.get("/search/items/{item}")
def by_item(
    request: Request,
    item: int,
    towards: Side = "words",
    choice: str = "",
    method: str = "",
    k: int = K,
) -> Response:
    """From one side of an item to the other."""
    demo, why = _demo(request)
    if demo is None:
        raise StudioError(why)
    asked = _asked(demo, "", choice, method, k)
    answer = demo.by_item(item, towards, asked["choice"], asked["method"], k)
    side = "words fit the picture" if towards == "words" else "pictures fit the words"
    return _shown(request, demo, asked, answer, f"Items whose {side} of item {item}")


@router.get("/search/pictures/{item}")
def thumbnail(request: Request, item: int) -> Response:
    """A small picture of an item."""
    demo, why = _demo(request)
    if demo is None:
        raise StudioError(why)
    found = demo.thumbnail(item)
    return Response(found.data, media_type=found.media_type, headers=LONG)


def _demo(request: Request) -> tuple[Demo | None, str]:
    try:
        demo = site_of(request).demo()
    except StudioError as error:
        return None, str(error)
    return demo, "" if demo else "no adapter of this project has anything to search"


def _asked(demo: Demo, words: str, choice: str, method: str, k: int) -> dict[str, Any]:
    """The query with the usual choice and method where none is named."""
    return {
        "words": words,
        "choice": choice or demo.choices()[0].key,
        "method": method or demo.methods()[0].key,
        "k": k,
    }


def _shown(
    request: Request,
    demo: Demo,
    asked: dict[str, Any],
    answer: Answer | None,
    heading: str,
    refused: str = "",
) -> Response:
    about = demo.describe()
    return page(
        request,
        "search.html",
        demo=demo,
        view=asked,
        choices=demo.choices(),
        methods=demo.methods(),
        samples=demo.samples(),
        completions=demo.complete("", 1000),
        about=f"{about.items:,} items of {about.source} ({about.licence}); {about.model}",
        answer=answer,
        asked=heading,
        refused=refused,
    )
