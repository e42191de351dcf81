"""Stopping transfers that wait for a network."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
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
        self._ends: dict[object, Callable[[], None]] = {}

    def set(self) -> None:
        self._set.set()
        with self._lock:
            for end in self._ends.values():
                end()

    def check(self) -> None:
        """Raises Interrupted once it is set."""
        if self._set.is_set():
            raise Interrupted

    def wait(self, seconds: float) -> None:
        """Wait, unless interrupted. Raises Interrupted."""
        if self._set.wait(seconds):
            raise Interrupted

    @contextlib.contextmanager
    def ending(self, end: Callable[[], None]) -> Iterator[None]:
        """Within, an interrupt calls `end`, so that a read that waits returns. Raises Interrupted when it came before.

        `end` must not block or raise.
        """
        key = object()
        with self._lock:
            self._ends[key] = end
        try:
            self.check()
            yield
        finally:
            with self._lock:
                del self._ends[key]

    @contextlib.contextmanager
    def guarding(self, response: httpx2.Response) -> Iterator[None]:
        """Within, an interrupt ends the response's connection."""
        connection = response.extensions["network_stream"].get_extra_info("socket")
        with contextlib.nullcontext() if connection is None else self.ending(lambda: _shut(connection)):
            yield


def _shut(connection: socket.socket) -> None:
    # The plain socket's method: TLS would first want to say goodbye to the other side.
    with contextlib.suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
