"""The OpenAPI document: what `POST /v1/jobs` takes is one schema for each kind, told apart by `kind`.

The union is only described here; checking is the kinds' own business, so that adding a kind stays adding one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from api import shapes
from shared.errors import Problem
from shared.kinds import open_kinds

_REF = "#/components/schemas/"
#: Any: it shows what errors look like.
_PROBLEM = Problem(code="bad_request", what="", why="", fix="")


def describe(app: FastAPI) -> None:
    """Let the app's document name the kinds."""
    made: dict[str, Any] = {}

    def document() -> dict[str, Any]:
        if not made:
            made.update(_document(app))
        return made

    app.openapi = document  # type: ignore[method-assign]


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    schemas: dict[str, Any] = made["components"]["schemas"]
    plain = schemas.pop("JobIn")
    names = {}
    for name, kind in open_kinds().items():
        params = kind.model_json_schema(ref_template=_REF + "{model}")
        schemas.update(params.pop("$defs", {}))
        names[name] = f"{kind.__name__}Job"
        schemas[names[name]] = _job(plain, name, kind.about, params)
    schemas["JobIn"] = {
        "oneOf": [{"$ref": _REF + name} for name in names.values()],
        "discriminator": {"propertyName": "kind", "mapping": {kind: _REF + name for kind, name in names.items()}},
    }
    _describe_errors(made)
    return made


def _job(plain: dict[str, Any], name: str, about: str, params: dict[str, Any]) -> dict[str, Any]:
    properties = plain["properties"] | {"kind": {"const": name, "type": "string"}, "params": params}
    required = ["kind", *(["params"] if params.get("required") else [])]
    return plain | {"title": name, "description": about, "properties": properties, "required": required}


def _describe_errors(made: dict[str, Any]) -> None:
    """Every error has the shape of its path; the framework's own is never sent."""
    schemas = made["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for path, operations in made["paths"].items():
        answer = {"description": "Error", "content": {"application/json": {"schema": _error(path)}}}
        for operation in operations.values():
            answers = operation["responses"]
            answers.pop("422", None)
            answers.update({status: answer for status in ("default", *answers) if not status.startswith("2")})


def _error(path: str) -> dict[str, Any]:
    """Ours has a name; of a dialect's errors each looks like any other."""
    shape = shapes.of(path)
    return {"$ref": _REF + "ErrorOut"} if shape.body is shapes.own else _like(shape.body(_PROBLEM, 400))


def _like(value: Any) -> dict[str, Any]:
    """The schema of JSON like this; what is null here may be a text elsewhere."""
    if isinstance(value, Mapping):
        return {
            "type": "object",
            "properties": {name: _like(each) for name, each in value.items()},
            "required": list(value),
        }
    return {"type": "string"} if value is not None else {"type": ["string", "null"]}
