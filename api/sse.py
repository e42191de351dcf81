"""Server-sent events as an answer: numbered, kept alive, ended when the client goes away."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import ExitStack, suppress
from typing import Any

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from api.leaving import ClientGone, while_connected
from shared.errors import BadRequest

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE = b": keep-alive\n\n"
#: Seconds of silence after which a comment is sent.
IDLE = 15.0
#: Of an event's number: any that has so many is one of 64 bits.
_DIGITS = 18

#: Made once: `json.dumps` would make it again for each piece of each stream.
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False)
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class LiveResponse(StreamingResponse):
    """A stream whose source is closed as soon as the client is gone, even while it has nothing to say."""

    def __init__(self, source: AsyncIterator[bytes], media_type: str) -> None:
        super().__init__(source, headers=_HEADERS, media_type=media_type)
        self._source = source
        #: What is called once the source is closed, even when nothing was ever drawn.
        self._closing = ExitStack()

    def when_closed(self, call: Callable[[], None]) -> None:
        """Call it after the last byte, also when the client leaves before."""
        self._closing.callback(call)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            with suppress(ClientGone):
                await while_connected(receive, self.stream_response(send))
        finally:
            await self._close()

    async def _close(self) -> None:
        with self._closing:
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()


def frame(data: Mapping[str, Any], *, name: str | None = None, number: int | None = None) -> bytes:
    """One event; with a number the client comes back to it after a broken connection."""
    head = f"id: {number}\n" if number is not None else ""
    head += f"event: {name}\n" if name else ""
    # Engines may send half a character, which is no reason to end a stream.
    return f"{head}data: {_JSON.encode(data)}\n\n".encode(errors="replace")


def resume_from(request: Request, after: int | None) -> int | None:
    """Where the client left off: `Last-Event-ID`, else `?after=`. Raises BadRequest."""
    last = request.headers.get("last-event-id")
    if last is None or not last.strip():
        return after
    if not last.strip().isdecimal() or len(last.strip()) > _DIGITS:
        raise BadRequest(
            f"Last-Event-ID {last[:64]!r} is no event number",
            "events are numbered",
            "send the id of the last event seen",
        )
    return int(last)
