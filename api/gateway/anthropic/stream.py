"""A streamed answer as Anthropic's events: message_start, blocks with their deltas, message_delta, message_stop."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from api.gateway.anthropic import errors
from api.gateway.anthropic.answer import message, stop_reason, tool_use, usage
from api.gateway.anthropic.signature import Signature
from api.gateway.one_by_one import OneByOne, Spoken
from api.gateway.pieces import Call, End, Piece, Text, Thought, Usage, pieces_of
from api.sse import MEDIA_TYPE, frame
from shared.errors import Problem

_PING = frame({"type": "ping"}, name="ping")


class MessageWriter:
    """Opens a block when the kind of what is said changes, and closes it before the next."""

    media_type = MEDIA_TYPE

    def __init__(self, model: str, prompt_tokens: int = 0) -> None:
        self._model = model
        self._began = False
        self._block = -1
        #: What the open block holds: a kind, and for tools which call.
        self._open: tuple[str, int] | None = None
        self._order = OneByOne()
        #: Of the thought that is open.
        self._signature: Signature | None = None
        #: Until the engine says how long the prompt is, what was counted before it was asked.
        self._end, self._used = End("stop"), Usage(prompt=prompt_tokens)

    def waiting(self) -> bytes:
        return _PING

    def feed(self, events: Sequence[bytes]) -> bytes:
        return b"".join([self._chunk(json.loads(event)) for event in events])

    def end(self) -> bytes:
        waited = self._told(self._order.end())
        # The usage of the prompt is only now sure, so it is said again with that of the answer.
        stopped = stop_reason(self._end.reason, self._end.sequence)
        delta = {"stop_reason": stopped, "stop_sequence": self._end.sequence, "stop_details": None}
        told = {"type": "message_delta", "delta": delta | {"container": None}, "usage": usage(self._used)}
        return waited + self._begin() + self._close() + _event(told) + _event({"type": "message_stop"})

    def failed(self, problem: Problem, status: int) -> bytes:
        return frame(errors.body(problem, status), name="error")

    def _chunk(self, chunk: dict[str, Any]) -> bytes:
        if "prompt_progress" in chunk:
            self._used = _known(chunk["prompt_progress"])
        return b"".join([self._piece(piece) for piece in pieces_of(chunk)])

    def _piece(self, piece: Piece) -> bytes:
        match piece:
            case End():
                self._end = piece
            case Usage():
                self._used = piece
            case _:
                return self._told(self._order.feed(piece))
        return b""

    def _told(self, pieces: Sequence[Spoken]) -> bytes:
        return b"".join([self._spoken(piece) for piece in pieces])

    def _spoken(self, piece: Spoken) -> bytes:
        match piece:
            case Text(text):
                return self._say("text", {"type": "text_delta", "text": text})
            case Thought(text):
                return self._think(text)
            case Call():
                return self._call(piece)

    def _think(self, text: str) -> bytes:
        told = self._say("thinking", {"type": "thinking_delta", "thinking": text})
        if self._signature is None:
            self._signature = Signature()
        self._signature.add(text)
        return told

    def _call(self, call: Call) -> bytes:
        opened = b""
        if self._open != ("tool_use", call.index):
            opened = self._start(("tool_use", call.index), tool_use(call))
        if not call.arguments:
            return opened
        return opened + self._delta({"type": "input_json_delta", "partial_json": call.arguments})

    def _say(self, kind: str, delta: dict[str, Any]) -> bytes:
        opened = b""
        if self._open != (kind, 0):
            empty = {"text": "", "citations": None} if kind == "text" else {"thinking": "", "signature": ""}
            opened = self._start((kind, 0), {"type": kind} | empty)
        return opened + self._delta(delta)

    def _start(self, what: tuple[str, int], block: dict[str, Any]) -> bytes:
        before = self._begin() + self._close()
        self._open = what
        self._block += 1
        return before + _event({"type": "content_block_start", "index": self._block, "content_block": block})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": self._block, "delta": delta})

    def _close(self) -> bytes:
        if self._open is None:
            return b""
        signed = b""
        if self._signature is not None:
            signed = self._delta({"type": "signature_delta", "signature": str(self._signature)})
        self._open = self._signature = None
        return signed + _event({"type": "content_block_stop", "index": self._block})

    def _begin(self) -> bytes:
        if self._began:
            return b""
        self._began = True
        return _event({"type": "message_start", "message": message(self._model, [], None, self._used)})


def _event(said: dict[str, Any]) -> bytes:
    return frame(said, name=said["type"])


def _known(progress: dict[str, Any]) -> Usage:
    """llama.cpp tells how long the prompt is before it answers, when it is asked to."""
    return Usage(prompt=progress.get("total") or 0, cached=progress.get("cache") or 0)
