"""A connection from this host's agent to an engine, and those that are kept for the next request."""

from __future__ import annotations

import select
import socket
import threading
import time

import httptools

Address = tuple[str, int]

_CONNECT = 5.0
#: Connections kept to each engine, and seconds for which they are: engines close theirs after five.
_KEPT, _IDLE = 32, 4.0


class EngineLine:
    """One connection; what comes over it goes on as it is, and is only read to see where the answer ends."""

    def __init__(self, address: Address, silence: float) -> None:
        """Connect; then `silence` seconds without a word mean a stuck engine. Raises OSError."""
        self.address = address
        self.socket = socket.create_connection(address, timeout=_CONNECT)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.settimeout(silence)
        self.idle_since = 0.0
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        self._over = self._keeps = False

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def hear(self, most: int) -> bytes:
        """What the engine says next; empty when it has closed the connection. Raises OSError."""
        said = self.socket.recv(most)
        if said and self._parser is not None:
            try:
                self._parser.feed_data(said)
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):
                # Whoever asked will see what it is; nothing more is asked here.
                self._parser = None
        return said

    @property
    def answered(self) -> bool:
        """The answer was heard to its end."""
        return self._over

    @property
    def reusable(self) -> bool:
        """The answer was heard to its end, and the engine keeps the connection open."""
        return self._over and self._keeps

    @property
    def quiet(self) -> bool:
        """Nothing has come since the answer: not even the end of the connection."""
        poll = select.poll()
        poll.register(self.socket, select.POLLIN)
        return not poll.poll(0)

    def rest(self) -> None:
        """Make ready for the next request."""
        self.idle_since = time.monotonic()
        self._parser = httptools.HttpResponseParser(self)
        self._over = self._keeps = False

    def close(self) -> None:
        self.socket.close()

    # --- for httptools ---

    def on_message_complete(self) -> None:
        self._over = True
        self._keeps = self._parser is not None and bool(self._parser.should_keep_alive())


class EngineLines:
    """Connections that wait for the next request, by engine; safe for threads."""

    def __init__(self) -> None:
        self._idle: dict[Address, list[EngineLine]] = {}
        self._lock = threading.Lock()

    def take(self, address: Address) -> EngineLine | None:
        """One that is still open, as far as can be seen."""
        with self._lock:
            self._sweep()
            idle = self._idle.get(address)
            return idle.pop() if idle else None

    def keep(self, line: EngineLine) -> None:
        """Lend it to the next, unless it cannot be used again or enough are kept."""
        with self._lock:
            self._sweep()
            idle = self._idle.setdefault(line.address, [])
            if line.reusable and len(idle) < _KEPT:
                line.rest()
                idle.append(line)
                return
        line.close()

    def close(self) -> None:
        with self._lock:
            for line in (line for lines in self._idle.values() for line in lines):
                line.close()
            self._idle.clear()

    def _sweep(self) -> None:
        """Forget connections that engines have closed, or will soon."""
        oldest = time.monotonic() - _IDLE
        for address, lines in list(self._idle.items()):
            good = [line for line in lines if line.idle_since > oldest and line.quiet]
            for line in lines:
                if line not in good:
                    line.close()
            if good:
                self._idle[address] = good
            else:
                del self._idle[address]
