"""Contents of the loopback hub, in memory or on disk, and how they are sent: whole, late, cut or damaged."""

from __future__ import annotations

import functools
import hashlib
import os
import socket
import time
from io import BufferedIOBase
from pathlib import Path
from typing import TYPE_CHECKING

from tests.hub_fault import Fault

if TYPE_CHECKING:
    from tests.hub import HubServer

Content = bytes | Path

_PIECE = 16384


def size_of(content: Content) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


@functools.lru_cache(maxsize=4096)
def sha256(content: Content) -> str:
    if isinstance(content, bytes):
        return hashlib.sha256(content).hexdigest()
    with content.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def blob_id(content: Content) -> str:
    """Git's name of the content; of a large file, of the pointer in its place."""
    data = content if isinstance(content, bytes) else sha256(content).encode()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Body:
    """One answer's content on its way out."""

    def __init__(self, server: HubServer, stream: BufferedIOBase, connection: socket.socket, fault: Fault) -> None:
        self._server, self._stream, self._connection, self._fault = server, stream, connection, fault

    def send(self, content: Content, begin: int, end: int) -> bool:
        """Send what the fault lets through; whether the connection may be used again."""
        if isinstance(content, Path):
            self._copy(content, begin, end)
            return True
        fault, body = self._fault, content[begin:end]
        if fault.corrupt and body:
            body = bytes([body[0] ^ 1]) + body[1:] if begin else body[:-1] + bytes([body[-1] ^ 1])
        if fault.length_off < 0:
            body = body[: fault.length_off]
        if fault.length_off > 0 and fault.noise:
            body += b"!" * fault.length_off
        stop = len(body) if fault.drop_after is None else slice(fault.drop_after).indices(len(body))[1]
        self._pour(body[: min(stop, len(body) if fault.hold_after is None else fault.hold_after)])
        if fault.hold_after is not None:
            self._server.holding.set()
            self._server.released.wait(300)
            self._pour(body[fault.hold_after : stop])
        return stop == len(body) and (fault.length_off <= 0 or fault.noise)

    def _pour(self, body: bytes) -> None:
        began = time.monotonic()
        for start in range(0, len(body), _PIECE):
            piece = body[start : start + _PIECE]
            # Counted first: whoever has it may look at once.
            self._server.count(len(piece))
            self._stream.write(piece)
            self._wait(began, start + len(piece))

    def _wait(self, began: float, sent: int) -> None:
        """Be as slow as the fault, or the server, is."""
        if self._fault.pause:
            time.sleep(self._fault.pause)
        if self._server.speed is not None:
            time.sleep(max(0.0, began + sent / self._server.speed - time.monotonic()))

    def _copy(self, path: Path, begin: int, end: int) -> None:
        """A file of any size, sent by the kernel."""
        self._stream.flush()
        with path.open("rb") as file:
            while begin < end:
                count = os.sendfile(self._connection.fileno(), file.fileno(), begin, min(end - begin, 1 << 20))
                if count == 0:
                    return
                begin += count
                self._server.count(count)
