"""A streamed response as OpenAI's events: each item is added, filled and done before the next is added."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from api.gateway.one_by_one import OneByOne, Spoken
from api.gateway.pieces import Call, End, Piece, Text, Thought, Usage, pieces_of
from api.gateway.responses.answer import Item, Response, why_not
from api.gateway.responses.open_item import OpenCall, OpenItem, OpenSummary, OpenText, OpenThought, Told
from api.sse import KEEP_ALIVE, MEDIA_TYPE, frame
from shared.errors import Problem


class ResponseWriter:
    """Opens an item when the kind of what is said changes, and closes it before the next."""

    media_type = MEDIA_TYPE

    def __init__(self, asked: Mapping[str, Any]) -> None:
        self._response = Response(asked)
        self._number = -1
        self._open: OpenItem | None = None
        self._order = OneByOne()
        self._items: list[Item] = []
        self._reason, self._used = "stop", Usage()

    def waiting(self) -> bytes:
        # A comment, for nothing may come before `response.created`, and that is sent with the first piece.
        return KEEP_ALIVE

    def feed(self, events: Sequence[bytes]) -> bytes:
        return b"".join([self._chunk(json.loads(event)) for event in events])

    def end(self) -> bytes:
        told = self._begin() + self._told(self._order.end())
        if self._open is None and not self._items:
            told += self._add(OpenText(self._response.likely))
        told += self._close("incomplete" if why_not(self._reason) else "completed")
        ended = self._response.ended(self._reason, self._items, self._used)
        return told + self._event(f"response.{ended['status']}", ended)

    def failed(self, problem: Problem, status: int) -> bytes:
        error = {"code": problem.code, "message": problem.sentence()}
        failed = self._response.shown("failed", self._items, error=error)
        return self._begin() + self._event("response.failed", failed)

    def _chunk(self, chunk: Mapping[str, Any]) -> bytes:
        self._response.likely.hear(chunk)
        return b"".join([self._piece(piece) for piece in pieces_of(chunk)])

    def _piece(self, piece: Piece) -> bytes:
        match piece:
            case End(word):
                self._reason = word
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
                return self._text(text)
            case Thought(text):
                return self._thought(text)
            case Call():
                return self._call(piece)

    def _text(self, text: str) -> bytes:
        told = b"" if isinstance(self._open, OpenText) else self._add(OpenText(self._response.likely))
        return told + self._grow(text)

    def _thought(self, text: str) -> bytes:
        # How likely tokens were is told of answers only.
        self._response.likely.take()
        kind = OpenSummary if self._response.summarised else OpenThought
        told = b"" if isinstance(self._open, kind) else self._add(kind())
        return told + self._grow(text)

    def _call(self, piece: Call) -> bytes:
        told = b""
        if not (isinstance(self._open, OpenCall) and self._open.index == piece.index):
            told = self._add(OpenCall(piece))
        return told + (self._grow(piece.arguments) if piece.arguments else b"")

    def _add(self, item: OpenItem) -> bytes:
        told = self._begin() + self._close()
        self._open = item
        return told + self._events(item.added())

    def _grow(self, text: str) -> bytes:
        assert self._open is not None
        return self._events([self._open.grown(text)])

    def _close(self, status: str = "completed") -> bytes:
        if self._open is None:
            return b""
        told = self._events(self._open.done(status))
        self._items.append(self._open.item(status))
        self._open = None
        return told

    def _begin(self) -> bytes:
        if self._number >= 0:
            return b""
        begun = self._response.shown("in_progress")
        return self._event("response.created", begun) + self._event("response.in_progress", begun)

    def _events(self, events: Sequence[Told]) -> bytes:
        place = {"output_index": len(self._items)}
        return b"".join([self._numbered(event | place) for event in events])

    def _event(self, kind: str, response: dict[str, Any]) -> bytes:
        return self._numbered({"type": kind, "response": response})

    def _numbered(self, event: Told) -> bytes:
        self._number += 1
        return frame(event | {"sequence_number": self._number}, name=event["type"])
