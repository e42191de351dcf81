"""The arguments of a call of a tool: small models write broken JSON, and a limit cuts it off.

Clients and engines get what is no object as the argument `arguments`: rather than nothing, or what they cannot read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from shared.nesting import flat
from shared.strict_json import strict_json

#: Half a character, or the half of a pair that makes a whole one: engines do not read the former.
_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def given(written: str) -> dict[str, Any]:
    """What the function is given."""
    found = _object(written.strip() or "{}")
    return {"arguments": written} if found is None else found


def readable(written: str) -> str:
    """The JSON of an object, with question marks for halves of characters.

    One that was written well stays to the letter, for engines know the prompt by it.
    """
    if _object(written) is not None and _HALF.search(written) is None:
        return written
    return json.dumps(given(written), ensure_ascii=False).encode(errors="replace").decode()


def with_readable_calls(message: Mapping[str, Any]) -> dict[str, Any]:
    """A message of a chat whose calls engines can read: one that llama.cpp cannot would end the chat for good."""
    calls = message.get("tool_calls")
    return {**message, "tool_calls": [_call(call) for call in calls]} if isinstance(calls, list) else dict(message)


def _call(call: Any) -> Any:
    """What is no call of a function is the engine's to refuse."""
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    written = function.get("arguments") or "{}"
    arguments = readable(written) if isinstance(written, str) else written
    return {**call, "type": "function", "function": {**function, "arguments": arguments}}


def _object(written: str) -> dict[str, Any] | None:
    try:
        found = flat(strict_json(written))
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
