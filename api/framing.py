"""Where requests and answers end, read as everybody between reads it: what is a body to a proxy is no request here."""

from __future__ import annotations

from typing import Any

from uvicorn._types import ASGI3Application, ASGIReceiveCallable, ASGISendCallable, ASGISendEvent, Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api.parser import Parser
from shared.errors import BadRequest, CidermillError


class FramedProtocol(HttpToolsProtocol):
    """One connection. It changes to no other protocol, and only a request's head has headers."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = Parser(self)
        #: The head of the next request is not whole; a request has begun to come and is not whole.
        self._in_head = True
        self._in_message = False
        #: Why a head that came is answered with an error; raised as it is set.
        self.refused: CidermillError | None = None

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """What comes as one after a body could say what the head must not (RFC 9110 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.parser.get_method() == b"CONNECT":
            self._reject(BadRequest("No other server is reached from here", "CONNECT asks for one", "call it itself"))
        if not self.parser.should_upgrade():
            super().on_headers_complete()
            self._in_head = False

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():
            super().on_message_complete()
            self._in_message = False
            self._in_head = True

    def _reject(self, error: CidermillError) -> None:
        self.refused = error
        raise error

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["http_version"] < "1.1":
            cycle.keep_alive = False
            app = _unchunked(cycle, app)
        super()._start_asgi_task(cycle, app)


def _unchunked(cycle: RequestResponseCycle, app: ASGI3Application) -> ASGI3Application:
    """The app for a client that knows no chunks: the answer ends with the connection (RFC 9112 6.1)."""

    async def asked(scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        async def plain(message: ASGISendEvent) -> None:
            cycle.chunked_encoding = False
            if message["type"] == "http.response.body":
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, plain)

    return asked
