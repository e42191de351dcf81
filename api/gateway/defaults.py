"""What an alias says where the client says nothing: fields of the request, a system message, a context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.runtimes import RunSpec

#: What of an alias is no field of a request to an engine.
SYSTEM, CONTEXT = "system", "context"


def filled(body: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The request with what it leaves unsaid."""
    if not defaults:
        return body
    fields = {name: value for name, value in defaults.items() if name not in (SYSTEM, CONTEXT)}
    return fields | body | _instructed(body, defaults.get(SYSTEM))


def loaded(spec: RunSpec, defaults: Mapping[str, Any]) -> RunSpec:
    """How to load the model, with the context that the alias wants when the client wants none."""
    if spec.context is not None or CONTEXT not in defaults:
        return spec
    return spec.model_copy(update={"context": defaults[CONTEXT]})


def _instructed(body: dict[str, Any], system: str | None) -> dict[str, Any]:
    """A chat that has no system message begins with the alias's."""
    messages = body.get("messages")
    if not system or not isinstance(messages, list) or any(_instructs(message) for message in messages):
        return {}
    return {"messages": [{"role": "system", "content": system}, *messages]}


def _instructs(message: object) -> bool:
    return isinstance(message, dict) and message.get("role") in ("system", "developer")
