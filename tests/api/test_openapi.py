"""The OpenAPI document says what errors look like, for each kind of client."""

from __future__ import annotations

from typing import Any

import jsonschema_rs
import pytest

from tests.api.served import Served


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/v1/jobs", {}),
        ("POST", "/v1/files", {}),
        ("POST", "/v1/chat/completions", {}),
        ("POST", "/v1/completions", {"model": "none", "prompt": "Hi"}),
        ("POST", "/v1/embeddings", {}),
        ("POST", "/v1/responses", {}),
        ("POST", "/v1/audio/transcriptions", {}),
        ("POST", "/v1/batches", {}),
        ("POST", "/v1/messages", {}),
        ("POST", "/anthropic/v1/messages", {"model": "none", "max_tokens": 1, "messages": []}),
        ("POST", "/api/chat", {}),
        ("POST", "/api/me", None),
    ],
)
def test_an_error_is_what_the_document_says(door: Served, method: str, path: str, body: Any) -> None:
    document = door.get("/openapi.json").json()
    answer = door.client.request(method, path, json=body)
    assert answer.status_code >= 400
    said = document["paths"][path][method.lower()]["responses"]
    described = said.get(str(answer.status_code), said["default"])["content"]["application/json"]["schema"]
    strict = _closed(described) | {"components": document["components"]}
    jsonschema_rs.validator_for(strict).validate(answer.json())


def test_what_is_never_there_is_not_said_to_be_found(door: Served) -> None:
    paths = door.get("/openapi.json").json()["paths"]
    answers = paths["/v1/responses/{response_id}"]["get"]["responses"]
    assert set(answers) == {"404", "default"}


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema, when nothing may be there that it does not name."""
    if "properties" not in schema:
        return schema
    inner = {name: _closed(each) for name, each in schema["properties"].items()}
    return schema | {"properties": inner, "additionalProperties": False}
