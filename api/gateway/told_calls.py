"""Calls of tools as OpenAI tells them: all pieces have the number of their call, also where an engine tells none."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from shared.call_numbers import CallNumbers

#: Of a chunk that has to be read; in a text the quotes would have backslashes.
_CALLS = b'"tool_calls"'


class ToldCalls:
    """A mend."""

    def __init__(self) -> None:
        #: By the choice's index; only of those that call.
        self._numbers: dict[int, CallNumbers] = {}

    def whole(self, said: dict[str, Any]) -> dict[str, Any]:
        return said

    def chunk(self, event: bytes) -> Sequence[bytes]:
        if _CALLS not in event:
            return (event,)
        chunk = json.loads(event)
        for choice in chunk.get("choices") or ():
            self._choice(choice)
        return (json.dumps(chunk, ensure_ascii=False).encode(errors="replace"),)

    def rest(self) -> Sequence[bytes]:
        return ()

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index") or 0
        for call in (choice.get("delta") or {}).get("tool_calls") or ():
            call["index"] = self._numbers.setdefault(index, CallNumbers()).of(call)
