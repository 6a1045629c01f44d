"""All that the pages do, as JSON under `/api/v1`; described by `/api/v1/openapi.json`."""

from __future__ import annotations

from fastapi import APIRouter

from studio.web.api import checkpoints, compare, jobs, runs, search, state, studies

router = APIRouter(prefix="/api/v1")
for part in (state, runs, compare, checkpoints, studies, jobs, search):
    router.include_router(part.router)
