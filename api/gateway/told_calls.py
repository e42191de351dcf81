"""Calls of tools as OpenAI tells them, whatever an engine leaves out.

All pieces have the number of their call, and an answer that calls ends for its calls, as no other does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from api.gateway.pieces import reason_of
from shared.call_numbers import CallNumbers

#: Of a chunk that has to be read; in a text the quotes would have backslashes.
_CALLS, _END = b'"tool_calls"', re.compile(rb'"finish_reason"\s*:\s*"')


class ToldCalls:
    """A mend."""

    def __init__(self) -> None:
        #: By the choice's index; only of those that call.
        self._numbers: dict[int, CallNumbers] = {}
        self._ended: set[int] = set()

    def whole(self, said: dict[str, Any]) -> dict[str, Any]:
        for choice in said.get("choices") or ():
            called = bool((choice.get("message") or {}).get("tool_calls"))
            choice["finish_reason"] = _fitting(choice.get("finish_reason"), called=called)
        return said

    def chunk(self, event: bytes) -> Sequence[bytes]:
        if _CALLS not in event and _END.search(event) is None:
            return (event,)
        chunk = json.loads(event)
        for choice in chunk.get("choices") or ():
            self._choice(choice)
        return (json.dumps(chunk, ensure_ascii=False).encode(errors="replace"),)

    def rest(self) -> Sequence[bytes]:
        """The ends that the engine has not told."""
        ends = [
            {"index": index, "delta": {}, "finish_reason": _fitting(None, called=True)}
            for index in self._numbers
            if index not in self._ended
        ]
        return [json.dumps({"choices": ends}).encode()] if ends else []

    def _choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index") or 0
        for call in (choice.get("delta") or {}).get("tool_calls") or ():
            call["index"] = self._numbers.setdefault(index, CallNumbers()).of(call)
        if choice.get("finish_reason"):
            choice["finish_reason"] = _fitting(choice["finish_reason"], called=index in self._numbers)
            self._ended.add(index)


def _fitting(word: str | None, *, called: bool) -> str:
    """Why an answer ended; one that was cut off stays so."""
    reason = reason_of(word or "stop")
    if reason not in ("stop", "tool_calls"):
        return reason
    return "tool_calls" if called else "stop"
