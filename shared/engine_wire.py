"""One connection to an engine: a request out, the pieces of its answer in.

Answers are read by httptools, in C: a piece of a stream costs a few microseconds, where a general client's layers cost
a hundred times that, and the front door carries thousands of pieces a second.
"""

from __future__ import annotations

import asyncio
import time

import httptools

#: Bytes of an answer that wait for a slow reader before the engine is asked to pause.
_MOST_WAITING = 256 * 1024


class _Answer:
    """What httptools has read of one answer."""

    def __init__(self) -> None:
        self.parser = httptools.HttpResponseParser(self)
        self.headers: dict[str, str] = {}
        self.pieces: list[bytes] = []
        #: Bytes in `pieces`.
        self.waiting = 0
        self.headed = self.over = self.keeps = False
        #: It says where it ends.
        self.framed = False

    def take(self) -> bytes:
        said, self.pieces, self.waiting = b"".join(self.pieces), [], 0
        return said

    def on_header(self, name: bytes, value: bytes) -> None:
        key = name.decode("latin-1").lower()
        self.headers[key] = value.decode("latin-1")
        self.framed |= key in ("content-length", "transfer-encoding")

    def on_headers_complete(self) -> None:
        self.headed = True

    def on_body(self, body: bytes) -> None:
        self.pieces.append(body)
        self.waiting += len(body)

    def on_message_complete(self) -> None:
        self.over = True
        self.keeps = self.framed and bool(self.parser.should_keep_alive())


class EngineWire(asyncio.Protocol):
    """Carries one exchange at a time; what breaks it is raised as an OSError to who waits."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._awaited: asyncio.Future[None] | None = None
        self._failure: OSError | None = None
        self._paused = False
        #: Whether it holds more of a request than the engine takes.
        self._full = False
        #: When something was last said here, by either side.
        self._spoken = time.monotonic()
        #: It answered before it had heard all, so that what follows would be taken for the rest.
        self._cut = False
        self._answer = _Answer()

    # --- for the client ---

    @property
    def alive(self) -> bool:
        return self._failure is None and self._transport is not None and not self._transport.is_closing()

    @property
    def reusable(self) -> bool:
        """The answer was read to its end, and the engine keeps the connection open."""
        return self.alive and self._answer.keeps and not self._answer.pieces and not self._cut

    def send(self, request: bytes) -> None:
        """Begin an exchange."""
        self._answer, self._spoken = _Answer(), time.monotonic()
        if self._transport is not None:
            self._transport.write(request)

    async def more(self, request: bytes) -> bool:
        """Go on with the request once the engine takes more of it; `False` when it answers already."""
        while self._full and not self._answer.headed:
            await self._more()
        if self._answer.headed:
            self._cut = True
        elif self._failure is not None:
            raise self._failure
        elif self._transport is not None:
            self._transport.write(request)
        return not self._cut

    async def head(self) -> tuple[int, dict[str, str]]:
        """The status, and the headers by their names in lower case."""
        answer = self._answer
        while not answer.headed:
            await self._more()
        return answer.parser.get_status_code(), answer.headers

    async def piece(self) -> bytes:
        """All that came since the last call; empty once the answer is over."""
        answer = self._answer
        while not answer.pieces and not answer.over:
            await self._more()
        said = answer.take()
        if self._paused and self._transport is not None and not self._transport.is_closing():
            self._paused = False
            self._transport.resume_reading()
        return said

    def give_up(self, seconds: float, why: str) -> None:
        """End the exchange with a TimeoutError when nothing was said for so long."""
        if time.monotonic() - self._spoken > seconds:
            self.break_off(why)

    def break_off(self, why: str) -> None:
        """End the exchange with a TimeoutError."""
        self._fail(TimeoutError(why))
        self.close()

    def close(self) -> None:
        """Drop the connection now, which is what makes an engine stop."""
        if self._transport is not None:
            self._transport.abort()

    # --- for asyncio ---

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._spoken = time.monotonic()
        try:
            self._answer.parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ConnectionAbortedError(f"the engine does not speak HTTP: {error}"))
            self.close()
        if self._answer.waiting > _MOST_WAITING and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()
        self._wake()

    def connection_lost(self, error: Exception | None) -> None:
        if error is None and self._answer.headed and not self._answer.framed:
            # Without a length, the end of the connection is the end of the answer.
            self._answer.over = True
        self._fail(ConnectionResetError(str(error or "the engine closed the connection")))

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._wake()

    # --- inside ---

    async def _more(self) -> None:
        if self._failure is not None:
            raise self._failure
        self._awaited = asyncio.get_running_loop().create_future()
        try:
            await self._awaited
        finally:
            self._awaited = None

    def _fail(self, error: OSError) -> None:
        self._failure = self._failure or error
        self._wake()

    def _wake(self) -> None:
        if self._awaited is not None and not self._awaited.done():
            self._awaited.set_result(None)
