"""A request on its way to llama.cpp, and the answer on its way back: what is read of them, and put right."""

from __future__ import annotations

import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from shared.requests import WORK, Work
from shared.told import count
from workers.runtimes.boot.asgi import Receive, Scope, Send, send_bytes
from workers.runtimes.boot.inner_engine import InnerEngine, read
from workers.runtimes.boot.llama_ahead import NOTHING, Prefilled

_TIMINGS, _USAGE, _PROGRESS = b'"timings"', b'"usage"', b'"prompt_progress"'
EVENTS = "text/event-stream"


@dataclass(slots=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    target: str
    media_type: str
    work: Work
    content: bytes
    #: Its JSON object; `None` when it is none.
    body: dict[str, Any] | None
    #: The client was told something.
    told: bool = False

    @classmethod
    async def of(cls, scope: Scope, receive: Receive) -> Asked | None:
        """`None`: the client left before it had said all."""
        content, message = [], await receive()
        while message["type"] == "http.request":
            content.append(message.get("body", b""))
            if not message.get("more_body"):
                headers, query = dict(scope["headers"]), scope["query_string"]
                target = scope["raw_path"] + (b"?" + query if query else b"")
                return cls(
                    scope["method"], scope["path"], target.decode("latin-1"),
                    headers.get(b"content-type", b"application/json").decode("latin-1"),
                    Work.of(headers.get(WORK.lower().encode(), b"").decode("latin-1")),
                    b"".join(content), _object(b"".join(content)),
                )  # fmt: skip
            message = await receive()
        return None


@dataclass(slots=True)
class Heard:
    """What is read of an answer on its way: how much its slot has in the end; and what is put right in it."""

    ahead: Prefilled = NOTHING
    #: Tokens of the prompt, and with the answer.
    prompt: int = 0
    total: int = 0
    #: Its stream has got past the prompt.
    spoken: bool = False
    _rest: bytes = field(default=b"", init=False)

    def events(self, data: bytes) -> bytes:
        """The lines that are whole now."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(self._line(line) + b"\n" for line in lines)

    def end(self) -> bytes:
        """What never became a line."""
        return self._rest

    def whole(self, content: bytes) -> bytes:
        """An answer in one piece, or what an event says."""
        said = _object(content)
        if said is None:
            return content
        if isinstance(timings := said.get("timings"), dict):
            self.prompt = count(timings.get("cache_n")) + count(timings.get("prompt_n"))
            self.total = self.prompt + count(timings.get("predicted_n"))
        if self.ahead is NOTHING:
            return content
        return json.dumps(self.ahead.amended(said), ensure_ascii=False, separators=(",", ":")).encode(errors="replace")

    def _line(self, line: bytes) -> bytes:
        self.spoken = self.spoken or (line.startswith(b"data: {") and _PROGRESS not in line)
        if line.startswith(b"data: {") and (_TIMINGS in line or _USAGE in line or _PROGRESS in line):
            return b"data: " + self.whole(line[6:])
        return line


async def carried(
    engine: InnerEngine, asked: Asked, content: bytes, heard: Heard, turn: AsyncExitStack, send: Send
) -> None:
    """Ask the engine, and pass on what it says; `turn` ends with its first word."""
    async with engine.asked(asked.method, asked.target, content, asked.media_type) as (status, headers, wire):
        media_type = headers.get("content-type", "application/json")
        if status != HTTPStatus.OK or not media_type.startswith(EVENTS):
            whole = await read(wire)
            await turn.aclose()
            await _told_whole(asked, heard.whole(whole) if status == HTTPStatus.OK else whole, media_type, status, send)
            return
        await opened(asked, send)
        while piece := await wire.piece():
            await turn.aclose()
            if said := heard.events(piece):
                await send({"type": "http.response.body", "body": said, "more_body": True})
        await send({"type": "http.response.body", "body": heard.end()})


async def opened(asked: Asked, send: Send) -> None:
    if not asked.told:
        asked.told = True
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", EVENTS.encode())]})


async def _told_whole(asked: Asked, content: bytes, media_type: str, status: int, send: Send) -> None:
    if asked.told:
        # Its stream was opened to keep it alive: an error is an event then, as llama.cpp writes those that come late.
        await send({"type": "http.response.body", "body": b"data: " + content + b"\n\n"})
    else:
        asked.told = True
        await send_bytes(send, content, [(b"content-type", media_type.encode("latin-1"))], status)


def _object(content: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
