"""Stopping transfers that wait for a network."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2


class Interrupted(Exception):
    """The transfer was told to stop."""


class Interrupt:
    """A flag that also wakes whoever waits: for time, or for bytes of a connection it guards."""

    def __init__(self) -> None:
        self._set = threading.Event()
        self._lock = threading.Lock()
        self._sockets: set[socket.socket] = set()

    def set(self) -> None:
        self._set.set()
        with self._lock:
            for connection in self._sockets:
                _shut(connection)

    def check(self) -> None:
        """Raises Interrupted once it is set."""
        if self._set.is_set():
            raise Interrupted

    def wait(self, seconds: float) -> None:
        """Wait, unless interrupted. Raises Interrupted."""
        if self._set.wait(seconds):
            raise Interrupted

    @contextlib.contextmanager
    def guarding(self, response: httpx2.Response) -> Iterator[None]:
        """Within, an interrupt ends the response's connection, so that a read of it returns."""
        connection = response.extensions["network_stream"].get_extra_info("socket")
        if connection is None:
            yield
            return
        with self._lock:
            self._sockets.add(connection)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._sockets.discard(connection)


def _shut(connection: socket.socket) -> None:
    # The plain socket's method: TLS would first want to say goodbye to the other side.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
