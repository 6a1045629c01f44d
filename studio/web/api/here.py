"""What all parts of the API share: the project, and pages of what there is much of."""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

from fastapi import Depends, Query, Request
from pydantic import BaseModel

from studio.web.pages import site_of
from studio.web.site import Site

Item = TypeVar("Item")
Offset = Annotated[int, Query(ge=0, le=10**9, description="How many to leave out.")]
Limit = Annotated[int, Query(ge=1, le=1000, description="How many at most.")]


async def _here(request: Request) -> Site:
    return site_of(request)


Here = Annotated[Site, Depends(_here)]


class Part(BaseModel, Generic[Item]):
    """Some of many: `items` are those after the first `offset` of `total`."""

    total: int
    offset: int
    limit: int
    items: list[Item]
