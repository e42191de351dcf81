"""What an alias says where the client says nothing: fields of the request, a system message, a talk, a context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from shared.opening import Opening
from shared.runtimes import RunSpec

#: What of an alias fills no field of a request to an engine.
SYSTEM, MESSAGES, CONTEXT = "system", "messages", "context"
#: Of these, what chats begin with.
OPENING = (SYSTEM, MESSAGES)


def filled(body: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """The request with what it leaves unsaid."""
    if not defaults:
        return body
    return fields(defaults) | body | _opened(body, defaults)


def fields(defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Those that are fields of a request."""
    return {name: value for name, value in defaults.items() if name not in (*OPENING, CONTEXT)}


def loaded(spec: RunSpec, defaults: Mapping[str, Any]) -> RunSpec:
    """How to load the model, with the context that the alias wants when the client wants none."""
    if spec.context is not None or CONTEXT not in defaults:
        return spec
    return spec.model_copy(update={"context": defaults[CONTEXT]})


def _opened(body: dict[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """A chat goes on from the alias's talk; one without a system message begins with the alias's."""
    said = body.get(MESSAGES)
    if not isinstance(said, list):
        return {}
    opening = Opening(system=defaults.get(SYSTEM), messages=defaults.get(MESSAGES) or [])
    return {MESSAGES: opening.before(said)}
