"""What Anthropic's servers do beside a model and nobody does here: better refused than left out in silence.

Source: Anthropic's API reference, "Create a message" of its beta, and `lib/threads` of its client for Python.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.gateway.reading import want
from shared.errors import InvalidParameters

_IMPOSSIBLE: Mapping[str, tuple[type[dict[str, Any] | list[Any]], str, str]] = {
    "thread": (dict, "no talk is kept here", "leave it out, and send the whole talk with its system and tools"),
    "mcp_servers": (list, "nobody here calls their tools for a model", "give their tools as tools, and call them"),
    "compaction": (dict, "nobody here makes a talk shorter", "leave it out, and ask for a summary in a message"),
}
#: By which the client's threads and its tool runner send the whole talk from then on.
_DETAILS: Mapping[str, Mapping[str, Any]] = {
    "thread": {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
}


def check_possible(asked: Mapping[str, Any]) -> None:
    """Raises InvalidParameters."""
    for name, (kind, why, fix) in _IMPOSSIBLE.items():
        if want(asked, name, kind) not in (None, []):
            raise InvalidParameters(f"{name} is not possible here", why, fix, field=name, **_DETAILS.get(name, {}))
