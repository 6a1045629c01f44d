"""Forms that browsers send."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.datastructures import FormData


async def form_of(request: Request) -> FormData:
    """What is in it; read before a route runs, so that routes may wait for disks and programs."""
    return await request.form()


Form = Annotated[FormData, Depends(form_of)]
