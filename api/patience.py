"""How long the front door bears with a client: who sends or reads almost nothing is let go, and holds nothing.

uvicorn waits for ever for the rest of a request, keeps a head of any length, and keeps an answer for a reader that
has stopped reading. This is its protocol with an end to each of the three; a request that comes as most do, at once,
costs no timer.
"""

from __future__ import annotations

import asyncio
from http.client import responses
from typing import Any, ClassVar

import structlog

from api import errors
from api.pipelining import PipelinedProtocol
from shared.errors import BadRequest, CidermillError, HeadTooLarge, TooSlow

_log = structlog.get_logger(__name__)


class PatientProtocol(PipelinedProtocol):
    """One connection. The numbers are the class's own, so that a test can have others."""

    #: Bytes of the request line and headers together, and of what comes between two pieces of a body or after the last;
    #: what browsers and proxies accept is less.
    head_limit: ClassVar[int] = 64 * 1024
    #: Seconds for the whole of them, from the first byte or, on a new connection, from its beginning.
    head_seconds: ClassVar[float] = 20.0
    #: A body must bring so many bytes in every so many seconds, or its last.
    body_seconds: ClassVar[float] = 30.0
    body_bytes: ClassVar[int] = 1024
    #: Seconds that a client may leave what was sent to it unread, once all buffers are full.
    unread_seconds: ClassVar[float] = 60.0
    #: Seconds that a client which was refused may go on sending; closed at once, it might never see why (RFC 9112 9.6).
    linger_seconds: ClassVar[float] = 2.0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: Bytes that came since the last that were any use: the end of a head or a request, a piece of a body.
        self._idle_bytes = 0
        #: What came last was of use.
        self._of_use = False
        self._body_bytes = 0
        self._waiting: asyncio.TimerHandle | None = None
        self._unread: asyncio.TimerHandle | None = None
        #: The answer was a refusal; what still comes is thrown away.
        self._lingers = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        if self._lingers:
            return
        in_head, self._of_use = self._in_head, False
        super().data_received(data)
        if self._lingers or self.transport.is_closing():
            return
        self._idle_bytes = 0 if self._of_use else self._idle_bytes + len(data)
        if self._idle_bytes > self.head_limit:
            self._refuse(_too_long())
        elif self._in_message and not self._in_head:
            self._body_bytes += len(data)
            if in_head or self._waiting is None:
                self._wait(self.body_seconds)
        elif self._in_message or self._idle():
            if self._waiting is None:
                self._wait(self.head_seconds)
        else:
            self._wait(None)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._body_bytes = 0

    def on_headers_complete(self) -> None:
        if len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > self.head_limit:
            self._reject(_too_long())
        super().on_headers_complete()
        self._of_use = True

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._of_use = True

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._of_use = True

    def send_400_response(self, msg: str) -> None:
        """What cannot be read is answered as every other error, in the shape of the path as far as that came."""
        why = "it is no HTTP, or not as servers agree to read it"
        self._refuse(self.refused or BadRequest("The request cannot be read", why, "send plain HTTP/1.1"))

    def _idle(self) -> bool:
        """Nothing was asked, or all of it was answered; what comes then and begins no request is nothing."""
        return self.cycle is None or self.cycle.response_complete

    def _late(self) -> None:
        """The time is over in which more should have come."""
        self._waiting = None
        if self.flow.read_paused:
            # It is we who let it wait.
            self._wait(self.body_seconds)
        elif self._idle() and not (self._in_head and self._in_message):
            # Nothing was ever sent, or nobody needs the rest any more.
            self.transport.abort()
        elif self._in_head:
            self._refuse(TooSlow("The request did not come in time", "its head is not whole", "send it at once"))
        elif self._body_bytes >= self.body_bytes:
            self._body_bytes = 0
            self._wait(self.body_seconds)
        else:
            self._refuse(TooSlow("The request did not come in time", "its body stopped half-way", "send it again"))

    def _wait(self, seconds: float | None) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
        self._waiting = self.loop.call_later(seconds, self._late) if seconds is not None else None

    def _refuse(self, error: CidermillError) -> None:
        """Answer, and close once the client could read it; only close when another answer is under way or was given."""
        _log.warning("a connection was refused", reason=error.problem.what, address=self.client and self.client[0])
        if self.pipeline or not (self._idle() if self._in_head else not self.cycle.response_started):
            self.transport.abort()
            return
        self._drop()
        path = getattr(self, "url", b"").partition(b"?")[0].decode("latin-1")
        answer = errors.answer(path, error)
        lines = [f"HTTP/1.1 {answer.status_code} {responses.get(answer.status_code, '')}", "connection: close"]
        lines += [f"{name}: {value}" for name, value in answer.headers.items()]
        self.transport.write("\r\n".join([*lines, "", ""]).encode("latin-1") + bytes(answer.body))
        self._lingers = True
        self._wait(None)
        if self.transport.can_write_eof():
            self.transport.write_eof()
            self.flow.resume_reading()
            self._waiting = self.loop.call_later(self.linger_seconds, self.transport.abort)
        else:
            self.transport.close()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.loop.call_later(self.unread_seconds, self._unheard)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _unheard(self) -> None:
        _log.warning("a client stopped reading and was let go", address=self.client and self.client[0])
        self.transport.abort()

    def timeout_keep_alive_handler(self) -> None:
        """The end of an idle connection; one that has not read its last answer would not end by being closed."""
        if self.transport.get_write_buffer_size():
            self.transport.abort()
        super().timeout_keep_alive_handler()

    def connection_lost(self, exc: Exception | None) -> None:
        self._wait(None)
        if self._unread is not None:
            self._unread.cancel()
        super().connection_lost(exc)


def _too_long() -> HeadTooLarge:
    return HeadTooLarge(
        "The request's head is too long", "its line and headers are larger than any client's", "send less"
    )
