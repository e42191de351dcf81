"""HTTP to a run on this host, over connections kept alive and shared by all threads of the process.

It stands on the standard library's client for two reasons, both measured: a small request costs 130 µs of CPU where
`httpx2` costs 365 µs, and the socket is ours to wait on. While a request waits, its caller is asked every 50 ms
whether to go on; leaving closes the connection, and that is what makes an engine stop generating.
"""

from __future__ import annotations

import atexit
import io
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException, HTTPResponse, RemoteDisconnected
from urllib.parse import urlsplit

from shared.errors import EngineFailed, RunDied
from shared.flights import Flights

#: Called while we wait; raises to give up.
Check = Callable[[], None]

_POLL_MILLISECONDS = 50
#: Seconds to connect, and for each piece sent to be taken: loopback does both at once unless the engine hangs.
_SEND_TIMEOUT = 30.0
_KEPT_PER_ADDRESS = 256
_GONE = (RemoteDisconnected, ConnectionResetError, BrokenPipeError)


class _Patience(io.RawIOBase):
    """What a socket receives, asking `check` while nothing comes."""

    def __init__(self, raw: io.RawIOBase) -> None:
        self._raw = raw
        self._poll = select.poll()
        self._poll.register(raw.fileno(), select.POLLIN)
        self.check: Check = _go_on
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int | None:  # type: ignore[override]
        while not self._poll.poll(_POLL_MILLISECONDS):
            self.check()
            if time.monotonic() > self.deadline:
                raise TimeoutError
        return self._raw.readinto(buffer)

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Socket(socket.socket):
    """A connected socket whose reader is patient for the request at hand."""

    check: Check
    deadline: float

    def makefile(self, *_: object, **__: object) -> io.BufferedReader:  # type: ignore[override]
        patience = _Patience(super().makefile("rb", buffering=0))
        patience.check, patience.deadline = self.check, self.deadline
        return io.BufferedReader(patience, 65536)


class _Connection(HTTPConnection):
    #: Did it carry an earlier request?
    kept = False
    sock: _Socket

    def connect(self) -> None:
        super().connect()
        self.sock = _Socket(fileno=self.sock.detach())
        self.sock.settimeout(_SEND_TIMEOUT)

    def alive(self) -> bool:
        """Nothing to read is alive: an idle connection speaks only to say goodbye."""
        poll = select.poll()
        poll.register(self.sock.fileno(), select.POLLIN)
        return not poll.poll(0)


class _Pool:
    """Idle connections by address; the one used last goes out first, so that few stay warm."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, int], deque[_Connection]] = {}
        self._lock = threading.Lock()

    def take(self, address: tuple[str, int], check: Check, deadline: float) -> _Connection:
        connection = self._kept(address) or self._fresh(address)
        connection.sock.check, connection.sock.deadline = check, deadline
        return connection

    def give(self, address: tuple[str, int], connection: _Connection) -> None:
        connection.kept = True
        # A kept connection must not keep its last job alive through the job's callback.
        connection.sock.check = _go_on
        with self._lock:
            idle = self._idle.setdefault(address, deque())
            idle.append(connection)
            surplus = idle.popleft() if len(idle) > _KEPT_PER_ADDRESS else None
        if surplus is not None:
            surplus.close()

    def close(self) -> None:
        """Close what is idle."""
        with self._lock:
            for idle in self._idle.values():
                for connection in idle:
                    connection.close()
            self._idle.clear()

    def _kept(self, address: tuple[str, int]) -> _Connection | None:
        while True:
            with self._lock:
                idle = self._idle.get(address)
                connection = idle.pop() if idle else None
            if connection is None or connection.alive():
                return connection
            connection.close()

    def _fresh(self, address: tuple[str, int]) -> _Connection:
        self._sweep()
        connection = _Connection(*address, timeout=_SEND_TIMEOUT)
        connection.connect()
        return connection

    def _sweep(self) -> None:
        """Close what runs that are gone left behind; opening a connection is rare enough to pay for it."""
        with self._lock:
            for address, idle in list(self._idle.items()):
                dead = [connection for connection in idle if not connection.alive()]
                for connection in dead:
                    idle.remove(connection)
                    connection.close()
                if not idle:
                    del self._idle[address]


_POOL = _Pool()
atexit.register(_POOL.close)


#: By address: what this process has in flight with the runs of this host.
_FLIGHTS = Flights()


def in_flight(url: str) -> int:
    """Exchanges of this process with the run at `url` that are not over."""
    return _FLIGHTS.of(_address(url))


class Reply:
    """An answer whose head is there and whose body is still to be read."""

    def __init__(self, url: str, response: HTTPResponse) -> None:
        self._url = url
        self._response = response
        self.status = response.status
        #: In lower case, without parameters.
        self.media_type = response.headers.get_content_type()

    def read(self) -> bytes:
        """The whole body. Raises RunDied, EngineFailed (too slow) and what `check` raises."""
        with _typed(self._url):
            return self._response.read()

    def pieces(self) -> Iterator[bytes]:
        """The body as it arrives. Raises as `read` does."""
        while True:
            with _typed(self._url):
                piece = self._response.read1(65536)
            if not piece:
                return
            yield piece


@contextmanager
def post(
    url: str, body: bytes | Iterable[bytes], headers: Mapping[str, str], timeout: float, check: Check
) -> Iterator[Reply]:
    """POST to a run and give its reply; leaving before the body is read closes the connection.

    `timeout` is for the whole exchange, in seconds. Raises RunDied when nobody answers or the connection
    breaks, EngineFailed when it takes too long, and whatever `check` raises.
    """
    address = _address(url)
    with _FLIGHTS.one_more(address):
        with _typed(url):
            deadline = time.monotonic() + timeout
            connection, response = _send(address, urlsplit(url).path, body, headers, deadline, check)
        try:
            yield Reply(url, response)
        finally:
            if response.isclosed() and not response.will_close:
                _POOL.give(address, connection)
            else:
                response.close()
                connection.close()


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def _send(
    address: tuple[str, int],
    path: str,
    body: bytes | Iterable[bytes],
    headers: Mapping[str, str],
    deadline: float,
    check: Check,
) -> tuple[_Connection, HTTPResponse]:
    while True:
        connection = _POOL.take(address, check, deadline)
        try:
            connection.request("POST", path, body=body, headers=dict(headers))
            return connection, connection.getresponse()
        except BaseException as error:
            connection.close()
            # A server may close an idle connection just as we use it: nothing was done, so ask again.
            if not (connection.kept and isinstance(error, _GONE) and isinstance(body, bytes)):
                raise


@contextmanager
def _typed(url: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise EngineFailed(
            f"The run at {url} did not answer in time",
            "it is overloaded, stuck, or the answer is long",
            "raise `timeout`, or lower `max_tokens`",
            timeout=True,
        ) from error
    except (OSError, HTTPException) as error:
        raise RunDied(
            f"The run at {url} went away while it was asked",
            f"{type(error).__name__}: {error}",
            "nothing, if it happens once: the job goes on with a new run; else see the run's log",
        ) from error


def _go_on() -> None:
    """Never give up."""
