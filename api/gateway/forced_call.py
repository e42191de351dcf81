"""Calls of tools out of the JSON that an engine was made to write (`tool_choice`), whole or as it comes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from api.gateway.pieces import Answer, Call, Text
from shared.identifiers import new_id

#: How a call begins, after whatever ends the one before; the engine writes spaces as it likes.
_HEAD = re.compile(r'[\s\[\]{},]*?\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=[^\s])')
_MARKS = re.compile(r'["\\{}]')


class CallReader:
    """Takes the text of an answer in pieces of any size; what does not begin as JSON is text."""

    def __init__(self) -> None:
        self._rest = ""
        self._index = -1
        self._plain = False
        #: Open braces of the arguments that are being read; `None` between calls.
        self._depth: int | None = None
        self._quoted = False

    def feed(self, text: str) -> list[Call | Text]:
        """What is sure now."""
        self._rest += text
        said: list[Call | Text] = []
        while (piece := self._next()) is not None:
            said.append(piece)
        return said

    def end(self) -> list[Call | Text]:
        """What was held back: after a call nothing that anybody misses."""
        rest, self._rest = self._rest, ""
        return [Text(rest)] if rest.strip() and self._index < 0 else []

    def _next(self) -> Call | Text | None:
        if self._depth is not None:
            return self._arguments(self._depth)
        begun = self._rest.lstrip()
        if self._index < 0 and begun and begun[0] not in "{[":
            self._plain = True
        if self._plain:
            rest, self._rest = self._rest, ""
            return Text(rest) if rest else None
        head = _HEAD.match(self._rest)
        if head is None or self._rest[head.end()] != "{":
            return None
        self._rest = self._rest[head.end() :]
        self._index += 1
        self._depth = 0
        return Call(self._index, new_id("call"), json.loads(head[1]), "")

    def _arguments(self, depth: int) -> Call | None:
        end = self._measure(depth)
        piece, self._rest = self._rest[:end], self._rest[end:]
        return Call(self._index, None, None, piece) if piece else None

    def _measure(self, depth: int) -> int:
        """How much of the text belongs to the arguments; a backslash at the end waits for what it quotes."""
        place, self._depth = 0, depth
        while mark := _MARKS.search(self._rest, place):
            place = mark.end()
            match mark[0]:
                case "\\":
                    if place == len(self._rest):
                        return mark.start()
                    place += 1
                case '"':
                    self._quoted = not self._quoted
                case brace if not self._quoted:
                    self._depth += 1 if brace == "{" else -1
                    if self._depth == 0:
                        self._depth = None
                        return place
        return len(self._rest)


class ForcedCall:
    """A mend: the same answer, with calls where the engine wrote their JSON."""

    def __init__(self) -> None:
        #: By the choice's index.
        self._readers: dict[int, CallReader] = {}

    def whole(self, said: dict[str, Any]) -> dict[str, Any]:
        for choice in said.get("choices") or ():
            message = choice.get("message") or {}
            if message.get("tool_calls") or not isinstance(message.get("content"), str):
                continue
            reader, answer = CallReader(), Answer()
            for piece in reader.feed(message["content"]) + reader.end():
                answer.add(piece)
            message["content"] = answer.text or None
            if answer.calls:
                message["tool_calls"] = [_written(call) for call in answer.calls]
        return said

    def chunk(self, event: bytes) -> Sequence[bytes]:
        chunk = json.loads(event)
        choices = chunk.get("choices") or ()
        told = not choices
        for choice in choices:
            told |= self._choice(choice)
        return [json.dumps(chunk, ensure_ascii=False).encode(errors="replace")] if told else []

    def rest(self) -> Sequence[bytes]:
        """Text of an engine that ended without saying so."""
        held = [
            {"index": index, "delta": delta, "finish_reason": None}
            for index, reader in self._readers.items()
            if (delta := _delta(reader.end()))
        ]
        return [json.dumps({"choices": held}).encode()] if held else []

    def _choice(self, choice: dict[str, Any]) -> bool:
        """Whether there is anything to tell."""
        index = choice.get("index") or 0
        delta = choice["delta"] = choice.get("delta") or {}
        reader = self._readers.setdefault(index, CallReader())
        said = reader.feed(delta.pop("content", None) or "")
        if choice.get("finish_reason"):
            said += reader.end()
        delta.update(_delta(said))
        if "role" in delta:
            delta.setdefault("content", None)
        return bool(delta or choice.get("finish_reason"))


def _delta(said: Iterable[Call | Text]) -> dict[str, Any]:
    """Pieces of one call together: clients read one of each index in a chunk."""
    answer = Answer()
    for piece in said:
        answer.add(piece)
    calls = [_told(call) for call in answer.calls]
    return ({"content": answer.text} if answer.text else {}) | ({"tool_calls": calls} if calls else {})


def _told(call: Call) -> dict[str, Any]:
    if call.id is None:
        return {"index": call.index, "function": {"arguments": call.arguments}}
    return {"index": call.index, **_written(call)}


def _written(call: Call) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
