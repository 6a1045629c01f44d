"""The page that describes the API, made from the OpenAPI document."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response

from studio.web.pages import page

router = APIRouter(include_in_schema=False)
OPENAPI = "/api/v1/openapi.json"


@router.get("/api")
def api(request: Request) -> Response:
    """All operations, by what they are about."""
    document = request.app.openapi()
    schemas = document["components"]["schemas"]
    parts: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        part = parts.setdefault(path.split("/")[3].capitalize(), [])  # /api/v1/PART/...
        for method, operation in methods.items():
            part.append({"method": method.upper(), "path": path, **_shown(operation, schemas)})
    return page(request, "api.html", parts=parts, openapi=OPENAPI)


def kind_of(schema: dict[str, Any]) -> str:
    """The type of a value, in words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(dict.fromkeys(map(kind_of, schema["anyOf"])))
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if "const" in schema:
        return str(schema["const"])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema.get('items', {}))}"
    if "contentMediaType" in schema or schema.get("format") == "binary":
        return "file"
    return str(schema.get("type", "anything"))


def _shown(operation: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    return {
        "about": operation["description"],
        "fields": [
            *(_field(each, each["in"], each["schema"]) for each in operation.get("parameters", [])),
            *_body(operation, schemas),
        ],
        "answers": [
            {"status": status, "about": found["description"], "kind": _answer(found)}
            for status, found in operation["responses"].items()
        ],
    }


def _field(about: dict[str, Any], place: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": about["name"],
        "place": place,
        "kind": kind_of(schema),
        "required": about.get("required", False),
        "usual": schema.get("default"),
        "about": about.get("description", ""),
    }


def _body(operation: dict[str, Any], schemas: dict[str, Any]) -> list[dict[str, Any]]:
    """The fields of what is sent along."""
    found = []
    for content in operation.get("requestBody", {}).get("content", {}).values():
        schema = schemas[kind_of(content["schema"])]
        for name, each in schema["properties"].items():
            about = {"name": name, "required": name in schema.get("required", [])}
            found.append(_field(about | {"description": each.get("description", "")}, "body", each))
    return found


def _answer(found: dict[str, Any]) -> str:
    kinds = (kind_of(each["schema"]) for each in found.get("content", {}).values() if each)
    return ", ".join(dict.fromkeys(kinds))
