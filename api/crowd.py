"""How many connections the front door keeps open at once: file descriptors must never run out.

Without them nothing is accepted any more, and the database and the engines are not reached either. uvicorn's own limit
turns away the requests of those who are connected already, and counts background work; this one turns away who comes
too many, and nobody else.
"""

from __future__ import annotations

import asyncio
import socket
from typing import Any, ClassVar

from api.patience import PatientProtocol
from shared.descriptors import descriptors
from shared.errors import Unavailable

#: What is open beside connections: the database, Valkey, files that are read.
_OTHERS = 256
#: A carried request has a connection to its client and one to its engine.
_EACH = 2
_MOST = 2000


class BoundedProtocol(PatientProtocol):
    """One connection of a limited number."""

    #: Connections at once.
    most: ClassVar[int] = _MOST
    #: So many more are told why they are refused; all others find the door shut.
    told: ClassVar[int] = 64

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._too_many = len(self.connections) > self.most

    def on_headers_complete(self) -> None:
        if self._too_many:
            self._reject(
                Unavailable(
                    "The front door has too many connections",
                    f"{self.most} are open, and each takes some of what the system gives a process",
                    "close what you do not use, or raise CIDERMILL_CONNECTIONS",
                    retry_after=1,
                )
            )
        super().on_headers_complete()


class BoundedListener(socket.socket):
    """The door, which is shut to who comes beyond `room`; with TLS, a protocol knows of nobody before the handshake."""

    def __init__(self, family: socket.AddressFamily, room: int) -> None:
        # asyncio sends without delay only on sockets that say they are TCP; otherwise answers come 40 ms late.
        super().__init__(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._room = room
        self._open: set[socket.socket] = set()

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises ConnectionAbortedError for who comes too many, which asyncio passes over."""
        connection, address = super().accept()
        if len(self._open) >= self._room:
            self._open = {one for one in self._open if one.fileno() >= 0}
        if len(self._open) >= self._room:
            connection.close()
            raise ConnectionAbortedError
        self._open.add(connection)
        return connection, address


def bounded(wanted: int | None) -> type[BoundedProtocol]:
    """The protocol with so many connections as are wanted and there are file descriptors for."""
    room = max(1, (descriptors() - _OTHERS) // _EACH)

    class Bounded(BoundedProtocol):
        most = min(wanted or _MOST, room)

    return Bounded
