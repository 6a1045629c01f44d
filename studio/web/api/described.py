"""The OpenAPI document: what FastAPI knows of the routes, and the problems each may answer with."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from studio.web.errors import PROBLEM, Problem

TEMPLATE = "#/components/schemas/{model}"
PROBLEMS = {
    400: "It cannot be done.",
    401: "The token is missing.",
    404: "There is nothing of that name.",
    421: "The server does not go by that name.",
    422: "A part of the request cannot be.",
    500: "The studio failed.",
}
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "description": "Asked for where the server listens on more than this machine.",
}
CHANGING = {403: "A page of another site may not do this.", 413: "The request is too large."}


class Documented(FastAPI):
    """An app whose document tells of problems, too."""

    def openapi(self) -> dict[str, Any]:
        """The document, made once."""
        if self.openapi_schema is None:
            made = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            self.openapi_schema = _with_problems(made)
        return self.openapi_schema


def _with_problems(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template=TEMPLATE)
    schemas |= {**problem.pop("$defs"), "Problem": problem}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["securitySchemes"] = {"token": TOKEN}
    document["security"] = [{}, {"token": []}]
    content = {PROBLEM: {"schema": {"$ref": TEMPLATE.format(model="Problem")}}}
    for methods in document["paths"].values():
        for method, operation in methods.items():
            known = PROBLEMS if method == "get" else PROBLEMS | CHANGING
            answers = {str(s): {"description": d, "content": content} for s, d in known.items()}
            operation["responses"] = dict(sorted((operation["responses"] | answers).items()))
    return document
