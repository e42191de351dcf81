"""HTTP by hand: what no client library would send, byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from tests.api.served import Served


@contextmanager
def wire(door: Served) -> Iterator[socket.socket]:
    """A connection to the front door; it says nothing by itself."""
    parts = urlsplit(door.url)
    with socket.create_connection((parts.hostname, parts.port), timeout=60) as connection:
        yield connection


def rest(connection: socket.socket) -> bytes:
    """All that comes until the front door closes; fails when it does not within a minute."""
    said = b""
    try:
        while piece := connection.recv(65536):
            said += piece
    except ConnectionResetError:
        # It closes without ceremony on whom it does not want to hear out.
        pass
    return said


def request(path: str, body: bytes, *headers: str) -> bytes:
    """A POST as bytes."""
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body
