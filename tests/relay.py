"""A cable to another server that can be cut, or damages what goes through it."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

_HEAD_END = b"\r\n\r\n"


@dataclass(frozen=True)
class Mishap:
    """What happens to one answer; places are bytes of its body, below zero counted from its end."""

    #: The connection ends there.
    cut: int | None = None
    #: One bit of this byte turns over.
    flip: int | None = None
    #: Nothing more comes from there on.
    stall: int | None = None


class Relay(socketserver.ThreadingTCPServer):
    """Passes each connection on to `port` of this machine: the first ones with the mishaps that are left."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Cable)
        self.target = port
        self.mishaps: deque[Mishap] = deque()
        #: Bytes of bodies that went through.
        self.passed = 0
        self.closing = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """A side that hangs up is what this is for."""


@contextlib.contextmanager
def relaying(port: int) -> Iterator[Relay]:
    with Relay(port) as relay:
        thread = threading.Thread(target=relay.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield relay
        relay.closing.set()
        relay.shutdown()
        thread.join()


class _Cable(socketserver.BaseRequestHandler):
    server: Relay

    def handle(self) -> None:
        mishap = self.server.mishaps.popleft() if self.server.mishaps else Mishap()
        with socket.create_connection(("127.0.0.1", self.server.target)) as peer:
            peer.sendall(_until_head(self.request))
            head, _, begun = _until_head(peer).partition(_HEAD_END)
            self.request.sendall(head + _HEAD_END)
            size, body = _length(head), bytearray(begun)
            while len(body) < size and (piece := peer.recv(1 << 16)):
                body += piece
        self._send(bytes(body), mishap)

    def _send(self, body: bytes, mishap: Mishap) -> None:
        if mishap.flip is not None:
            place = mishap.flip % len(body)
            body = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        end = mishap.cut if mishap.cut is not None else mishap.stall
        part = body if end is None else body[: end if end >= 0 else len(body) + end]
        # Counted first: whoever has it may look at once.
        self.server.passed += len(part)
        self.request.sendall(part)
        if mishap.stall is not None:
            self.server.closing.wait()


def _until_head(side: socket.socket) -> bytes:
    """What a side says up to the end of its headers, and what of the body comes along."""
    said = b""
    while _HEAD_END not in said and (piece := side.recv(1 << 16)):
        said += piece
    return said


def _length(head: bytes) -> int:
    lines = [line.partition(b":") for line in head.split(b"\r\n")]
    return next(int(value) for name, _, value in lines if name.lower() == b"content-length")
