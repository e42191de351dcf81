"""Requests read from bytes, and never anything else: who asks to speak another protocol goes on with this one.

A server may pass over that wish (RFC 9110 7.8). httptools leaves the body to the other protocol all the same, and would
read what is in it as the next request; Java's client asks for HTTP/2 so with every request.
"""

from __future__ import annotations

from typing import Any, Protocol

from httptools import HttpParserUpgrade, HttpRequestParser


class Reader(Protocol):
    """Who is told. It skips a request for which `should_upgrade` is true: that comes once more, without the wish."""

    url: bytes
    headers: list[tuple[bytes, bytes]]


class Parser(HttpRequestParser):
    """Of one connection."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._begin()

    def feed_data(self, data: Any) -> None:
        """Raises HttpParserError for what is no HTTP."""
        rest = memoryview(data)
        while True:
            try:
                super().feed_data(rest)
            except HttpParserUpgrade as wish:
                rest = rest[wish.args[0] :]
                head = self._head()
                self._begin()
                super().feed_data(head)
            else:
                return

    def _begin(self) -> None:
        super().__init__(self._reader)
        # What follows a request that closes the connection is no error, as in uvicorn's own.
        self.set_dangerous_leniencies(lenient_data_after_close=True)

    def _head(self) -> bytes:
        """The one that came last; without this header the rest of the wish means nothing."""
        lines = [b"%s %s HTTP/%s" % (self.get_method(), self._reader.url, self.get_http_version().encode())]
        lines += [b"%s: %s" % header for header in self._reader.headers if header[0] != b"upgrade"]
        return b"\r\n".join([*lines, b"", b""])
