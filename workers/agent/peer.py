"""Serves this host's models to other hosts, on a port of the agent; its runs are behind the same port (`engine_door`).

    GET /v1/blobs/<sha256>     Authorization: Bearer <grant>     Range: bytes=<from>-

A file is named by its checksum and nothing else, and only files that the front door knows to lie here are served. The
front door signs who may fetch which; see `shared/store/grant.py`. Bytes go from the disk to the socket in the kernel.
"""

from __future__ import annotations

import io
import re
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import structlog

from shared.descriptors import descriptors
from shared.errors import CidermillError, Unauthorized
from shared.store import grant
from shared.store.manifest import places
from shared.store.wire import Shelf
from workers.agent.engine_door import EngineDoor

log = structlog.get_logger()

_BLOB = re.compile(r"/v1/blobs/([0-9a-f]{64})")
_RANGE = re.compile(r"bytes=(\d+)-(\d+)?")
#: Files sent at the same time; who comes later is asked to try again, or goes to another host.
_MOST = 8
#: File descriptors that the agent needs for everything else.
_OTHERS = 128
#: Seconds that a silent receiver keeps its connection.
_PATIENCE = 30.0
#: Seconds before the front door is asked again about a file that it did not know.
_ASK_AGAIN = 5.0


class Blobs:
    """Files of this host by checksum, as the front door knows them; asked again when one is not among them."""

    def __init__(self, shelf: Callable[[], Shelf]) -> None:
        self._shelf = shelf
        self._known: dict[str, tuple[Path, int]] = {}
        #: When files were asked for in vain: models come one after the other, so one that is new is asked for at once.
        self._missed: dict[str, float] = {}
        self._lock = threading.Lock()

    def find(self, sha256: str) -> Path | None:
        """The file, if it lies here with the size it should have. Raises CidermillError while nobody can tell."""
        with self._lock:
            path = self._here(sha256)
            if path is None and time.monotonic() >= self._missed.get(sha256, float("-inf")) + _ASK_AGAIN:
                self._known = _by_checksum(self._shelf())
                path = self._here(sha256)
                if path is None:
                    self._miss(sha256)
        return path

    def _here(self, sha256: str) -> Path | None:
        path, size = self._known.get(sha256, (None, 0))
        if path is None or not path.is_file() or path.stat().st_size != size:
            return None
        return path

    def _miss(self, sha256: str) -> None:
        now = time.monotonic()
        recent = {missed: asked for missed, asked in self._missed.items() if now < asked + _ASK_AGAIN}
        self._missed = recent | {sha256: now}


def _by_checksum(shelf: Shelf) -> dict[str, tuple[Path, int]]:
    found: dict[str, tuple[Path, int]] = {}
    for model in shelf.models:
        where = places(model.path, [file.name for file in model.files])
        found |= {file.sha256: (where[file.name], file.size) for file in model.files if file.sha256 is not None}
    return found


class PeerServer(ThreadingHTTPServer):
    """Listens from its making on and serves until `close`."""

    daemon_threads = True
    request_queue_size = 64
    #: Connections at once, as far as there are file descriptors for them and for what they ask: each has a thread, and
    #: whoever reaches the port may open one.
    most: ClassVar[int] = 1024
    #: Seconds for the whole of a request's line and headers, with the wait for their first byte.
    head_seconds: ClassVar[float] = 30.0

    def __init__(
        self, address: str, port: int, host: str, key: bytes, blobs: Blobs | None, engines: EngineDoor | None = None
    ) -> None:
        self.address_family = socket.AF_INET6 if ":" in address else socket.AF_INET
        super().__init__((address, port), _Handler)
        self.host, self.key, self.blobs, self.engines = host, key, blobs, engines
        self.seats = threading.BoundedSemaphore(_MOST)
        self._room = threading.BoundedSemaphore(max(1, min(self.most, (descriptors() - _OTHERS) // 2)))
        self._thread = threading.Thread(target=self.serve_forever, name="peer", daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        if self.engines is not None:
            self.engines.close()
        self._thread.join()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Who comes too many is sent away without a word."""
        if not self._room.acquire(blocking=False):
            self.shutdown_request(request)
            return
        try:
            super().process_request(request, client_address)
        except BaseException:
            # No thread could be started, so none will leave.
            self._room.release()
            raise

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Receivers that go away are no news; their next request tells where to go on."""


class _Ear(io.RawIOBase):
    """Hears a connection: while `until` is set no longer than to that moment, however its bytes are spread."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self.until: float | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Raises TimeoutError."""
        if self.until is not None:
            left = self.until - time.monotonic()
            if left <= 0:
                raise TimeoutError("the head of the request did not come in time")
            self._connection.settimeout(min(left, self._connection.gettimeout() or left))
        return self._connection.recv_into(buffer)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE
    disable_nagle_algorithm = True
    server: PeerServer

    def setup(self) -> None:
        super().setup()
        self.rfile.close()
        self._ear = _Ear(self.connection)
        self.rfile = io.BufferedReader(self._ear)

    def handle_one_request(self) -> None:
        self._ear.until = time.monotonic() + self.server.head_seconds
        super().handle_one_request()

    def parse_request(self) -> bool:
        whole = super().parse_request()
        self._ear.until = None
        self.connection.settimeout(self.timeout)
        return whole

    def version_string(self) -> str:
        return "cidermill"

    def log_message(self, *_: object) -> None:
        """What is served is logged once it is."""

    def do_GET(self) -> None:
        match = _BLOB.fullmatch(self.path)
        blobs = self.server.blobs
        if match is None or blobs is None:
            self._answer(HTTPStatus.NOT_FOUND)
        elif self.server.seats.acquire(blocking=False):
            try:
                self._serve(blobs, match[1])
            finally:
                self.server.seats.release()
        else:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})

    def do_POST(self) -> None:
        if self.server.engines is not None:
            self.server.engines.serve(self)
        else:
            self.close_connection = True
            self._answer(HTTPStatus.NOT_FOUND)

    def _serve(self, blobs: Blobs, sha256: str) -> None:
        _, _, token = (self.headers["Authorization"] or "").partition(" ")
        try:
            granted = grant.check(self.server.key, token, sha256=sha256, host=self.server.host, now=time.time())
            path = blobs.find(sha256)
        except Unauthorized as error:
            log.warning("refused to serve a model", to=self.client_address[0], reason=error.problem.why)
            self._answer(HTTPStatus.FORBIDDEN)
            return
        except CidermillError:
            self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "5"})
            return
        if path is None:
            self._answer(HTTPStatus.NOT_FOUND)
            return
        with path.open("rb") as file:
            sent = self._send(file, path.stat().st_size, sha256)
        log.info("served a model's file", to=granted.to_host, sha256=sha256[:12], bytes=sent)

    def _send(self, file: BinaryIO, size: int, sha256: str) -> int:
        """The file or the range of it that was asked for; how many bytes went out."""
        headers = {"ETag": f'"{sha256}"', "Accept-Ranges": "bytes", "Content-Type": "application/octet-stream"}
        match = _RANGE.fullmatch(self.headers["Range"] or "")
        first = int(match[1]) if match else 0
        last = min(int(match[2]), size - 1) if match and match[2] else size - 1
        if match and (first >= size or last < first):
            self._answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, {"Content-Range": f"bytes */{size}"})
            return 0
        if match:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        count = last + 1 - first
        self._head(HTTPStatus.PARTIAL_CONTENT if match else HTTPStatus.OK, headers, count)
        return self.connection.sendfile(file, first, count) if count else 0

    def _answer(self, status: HTTPStatus, headers: dict[str, str] | None = None) -> None:
        self._head(status, headers or {}, 0)

    def _head(self, status: HTTPStatus, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.flush()
