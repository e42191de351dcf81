"""What a model said, as Ollama's lines: in one piece, or one line for each piece.

Clients of Ollama are strict: what is not known is left out, never null; `content` and `response` are texts even when
they are empty; arguments of tools are an object; durations are nanoseconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from api.gateway.ollama import errors
from api.gateway.ollama.clock import Clock
from api.gateway.ollama.probabilities import likely
from api.gateway.pieces import Answer, Call, Text, Thought, answer_of, pieces_of
from shared.call_arguments import given
from shared.errors import Problem
from shared.moments import rfc3339

Field = Literal["message", "response"]

LINES = "application/x-ndjson"


class Lines:
    """The lines of one answer; `into` is the field of its text: `message` of a chat, `response` of a generation."""

    media_type = LINES

    def __init__(self, model: str, into: Field, clock: Clock | None = None) -> None:
        """`clock`: the request's, whichever run answers it in the end."""
        self._model, self._into = model, into
        self._clock = clock or Clock()
        self._answer = Answer()

    def whole(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The answer in one piece."""
        self._clock.measured(said.get("timings"))
        self._answer = answer_of(_chat_of(said))
        answer = self._answer
        return self._line(answer.text, answer.thought, answer.calls) | likely(said) | self._last()

    def waiting(self) -> bytes:
        """An empty piece: a blank line would break Ollama's own client."""
        self._clock.wait()
        return _written(self._line("", "", []) | {"done": False})

    def feed(self, events: Sequence[bytes]) -> bytes:
        return b"".join([self._chunk(json.loads(event)) for event in events])

    def end(self) -> bytes:
        """Calls come whole, and so before the last line."""
        calls = _written(self._line("", "", self._answer.calls) | {"done": False}) if self._answer.calls else b""
        return calls + _written(self._line("", "", []) | self._last())

    def failed(self, problem: Problem, status: int) -> bytes:
        return _written(errors.body(problem, status))

    def _chunk(self, chunk: dict[str, Any]) -> bytes:
        self._clock.measured(chunk.get("timings"))
        lines, tokens = b"", likely(chunk)
        for piece in pieces_of(_chat_of(chunk)):
            self._clock.heard()
            self._answer.add(piece)
            if isinstance(piece, Text | Thought):
                text, thought = (piece.text, "") if isinstance(piece, Text) else ("", piece.text)
                # Tokens are told once, of whichever line they are.
                lines += _written(self._line(text, thought, []) | {"done": False} | (tokens if not lines else {}))
        # A text that is held back has its probabilities already.
        return lines or (_written(self._line("", "", []) | {"done": False} | tokens) if tokens else b"")

    def _line(self, text: str, thought: str, calls: Sequence[Call]) -> dict[str, Any]:
        said: dict[str, Any] = {"thinking": thought} if thought else {}
        head = {"model": self._model, "created_at": moment()}
        if self._into == "response":
            return head | {"response": text} | said
        told = [_called(call) for call in calls]
        return head | {
            "message": {"role": "assistant", "content": text} | said | ({"tool_calls": told} if told else {})
        }

    def _last(self) -> dict[str, Any]:
        used = self._answer.usage
        counts = {"prompt_eval_count": used.prompt, "eval_count": used.completion}
        reason = "length" if self._answer.reason == "length" else "stop"
        return {"done": True, "done_reason": reason} | self._clock.durations() | counts


def moment() -> str:
    """Now, by RFC 3339."""
    return rfc3339(time.time())


def _written(line: Mapping[str, Any]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode(errors="replace") + b"\n"


def _chat_of(said: Mapping[str, Any]) -> Mapping[str, Any]:
    """A completion's answer has its text where a chat's has a message."""
    choices = said.get("choices") or ()
    if not choices or "text" not in choices[0]:
        return said
    return {**said, "choices": [{**choices[0], "delta": {"content": choices[0]["text"]}}]}


def _called(call: Call) -> dict[str, Any]:
    """With the id that a result may name; without one, results are told apart by name or by order."""
    function = {"index": call.index, "name": call.name or "", "arguments": given(call.arguments)}
    return ({"id": call.id} if call.id else {}) | {"function": function}
