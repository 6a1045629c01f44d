"""The search demo of a run: words find pictures, pictures find words."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, File, Form, Query, Response
from pydantic import BaseModel

from studio.adapters.demo import Answer, Choice, Demo, Description, Method, Side
from studio.runs.model import WORKSPACE
from studio.web.api.here import Here
from studio.web.search import K, picture_of

router = APIRouter(prefix="/search")
PICTURE: dict[str, Any] = {"description": "The picture.", "content": {}}
Run = Annotated[str, Query(description="The id or the name of a run that has an index.")]
Key = Annotated[str, Query(description="A key that `/search/about` lists; the first if empty.")]
Hits = Annotated[int, Query(ge=1, le=1000, description="How many hits.")]
Count = Annotated[int, Form(ge=1, le=1000)]
Item = int


class About(BaseModel):
    """What is searched, and how: choices and methods, the usual ones first."""

    description: Description
    choices: list[Choice]
    methods: list[Method]
    samples: list[str]


@router.get("")
def by_words(
    site: Here, words: str, run: Run = WORKSPACE, choice: Key = "", method: Key = "", k: Hits = K
) -> Answer:
    """Pictures that fit words."""
    demo = site.demo(run)
    return demo.by_words(words, *_usual(demo, choice, method), k)


@router.post("/picture")
def by_picture(
    site: Here,
    picture: Annotated[bytes, File()],
    run: Annotated[str, Form()] = WORKSPACE,
    choice: Annotated[str, Form()] = "",
    method: Annotated[str, Form()] = "",
    k: Count = K,
    towards: Annotated[Side, Form()] = "words",
) -> Answer:
    """Items whose words, or whose pictures, fit a picture that is sent along."""
    demo = site.demo(run)
    return demo.by_picture(picture, *_usual(demo, choice, method), k, towards)


@router.get("/items/{item}")
def by_item(
    site: Here,
    item: Item,
    run: Run = WORKSPACE,
    choice: Key = "",
    method: Key = "",
    k: Hits = K,
    towards: Side = "words",
) -> Answer:
    """From one side of an item to the other."""
    demo = site.demo(run)
    return demo.by_item(item, towards, *_usual(demo, choice, method), k)


@router.get("/pictures/{item}", response_class=Response, responses={200: PICTURE})
def thumbnail(site: Here, item: Item, run: Run = WORKSPACE) -> Response:
    """A small picture of an item."""
    return picture_of(site.demo(run), item, run)


@router.get("/words")
def words(
    site: Here, run: Run = WORKSPACE, prefix: str = "", limit: Annotated[int, Query(ge=1)] = 20
) -> list[str]:
    """Known words that begin like this."""
    return list(site.demo(run).complete(prefix, limit))


@router.get("/about")
def about(site: Here, run: Run = WORKSPACE) -> About:
    """What is searched, and how."""
    demo = site.demo(run)
    return About(
        description=demo.describe(),
        choices=list(demo.choices()),
        methods=list(demo.methods()),
        samples=list(demo.samples()),
    )


def _usual(demo: Demo, choice: str, method: str) -> tuple[str, str]:
    """The first ones where none are named."""
    return choice or demo.choices()[0].key, method or demo.methods()[0].key
