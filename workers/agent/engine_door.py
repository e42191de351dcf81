"""Lets the front door in to this host's runs, whose engines answer on loopback only.

    POST /v1/runs/<run>/<generation>/v1/chat/completions     Authorization: Bearer <pass>

A run is named by the load that the pass is for, and where it answers is what this host's own workers say. The request
and the answer go through as they are, piece by piece. When one side is gone the other is closed at once: that is what
makes an engine stop.
"""

from __future__ import annotations

import re
import select
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

import structlog

from shared import engine_pass
from shared.errors import Forbidden
from shared.units import MIB

log = structlog.get_logger()

_RUN = re.compile(
    r"/v1/runs/([a-z0-9_-]{1,64})/([0-9]{1,9})"
    r"(/v1/chat/completions|/v1/completions|/v1/embeddings|/v1/audio/transcriptions|/v1/audio/translations"
    r"|/v1/chat/completions/input_tokens|/tokenize|/apply-template)"
)
#: Requests at the same time, and the largest body of one.
_MOST, _LARGEST = 512, 4096 * MIB
_PIECE = 64 * 1024
#: Seconds to connect, for which a run may be news to this host, and of silence after which an engine counts as stuck.
_CONNECT, _NEWS, _SILENCE = 5.0, 1.0, 600.0
_PASSED_ON = ("Content-Type", "Accept", "Accept-Encoding")

#: Where a load of a run answers, by run and generation; `None` when it is not here.
FindEngine = Callable[[str, int], str | None]


class EngineDoor:
    """Answers what is asked of runs."""

    def __init__(self, key: bytes, find: FindEngine) -> None:
        self._key, self._find = key, find
        self._seats = threading.BoundedSemaphore(_MOST)

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        """One request; its connection ends with it."""
        asked.close_connection = True
        match = _RUN.fullmatch(asked.path)
        if match is None:
            _refuse(asked, HTTPStatus.NOT_FOUND, "there is no such path")
            return
        run_id, generation, path = match[1], int(match[2]), match[3]
        _, _, token = (asked.headers["Authorization"] or "").partition(" ")
        try:
            engine_pass.check(self._key, token, run_id, generation, time.time())
        except Forbidden as error:
            log.warning("refused to let a request in", to=asked.client_address[0], reason=error.problem.why)
            _refuse(asked, HTTPStatus.FORBIDDEN, error.problem.why)
            return
        if not self._seats.acquire(blocking=False):
            _refuse(asked, HTTPStatus.SERVICE_UNAVAILABLE, "too many requests at once")
            return
        try:
            self._pass_on(asked, run_id, generation, path)
        finally:
            self._seats.release()

    def _pass_on(self, asked: BaseHTTPRequestHandler, run_id: str, generation: int, path: str) -> None:
        length = asked.headers["Content-Length"] or ""
        if not length.isdecimal() or int(length) > _LARGEST:
            _refuse(asked, HTTPStatus.LENGTH_REQUIRED, "the length of the request is not known, or too much")
            return
        url = self._find_soon(run_id, generation)
        if url is None:
            _refuse(asked, HTTPStatus.BAD_GATEWAY, "the run is not here any more")
            return
        first: bytes | None = b""
        try:
            with _connected(url) as engine:
                _send(asked, engine, path, int(length))
                first = _next(engine, asked.connection)
                if first:
                    _carry_back(first, engine, asked.connection)
        except OSError as error:
            log.info("a request to a run broke off", run=run_id, reason=str(error))
        if first == b"":
            _refuse(asked, HTTPStatus.BAD_GATEWAY, "the engine does not answer")

    def _find_soon(self, run_id: str, generation: int) -> str | None:
        """The front door hears of a ready run from its worker, and may ask before the agent has."""
        deadline = time.monotonic() + _NEWS
        while (url := self._find(run_id, generation)) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return url


def _connected(url: str) -> socket.socket:
    parts = urlsplit(url)
    engine = socket.create_connection((parts.hostname or "127.0.0.1", parts.port or 80), timeout=_CONNECT)
    engine.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    engine.settimeout(_SILENCE)
    return engine


def _send(asked: BaseHTTPRequestHandler, engine: socket.socket, path: str, length: int) -> None:
    lines = [f"POST {path} HTTP/1.1", "Host: localhost", "Connection: close", f"Content-Length: {length}"]
    lines += [f"{name}: {asked.headers[name]}" for name in _PASSED_ON if asked.headers[name]]
    engine.sendall("\r\n".join([*lines, "", ""]).encode("latin-1"))
    while length:
        piece = asked.rfile.read1(min(length, _PIECE))
        if not piece:
            raise ConnectionResetError("the front door went away before it had asked")
        engine.sendall(piece)
        length -= len(piece)


def _carry_back(piece: bytes | None, engine: socket.socket, client: socket.socket) -> None:
    """The engine's bytes as they come, until one side has had enough."""
    client.settimeout(_SILENCE)
    while piece:
        client.sendall(piece)
        piece = _next(engine, client)


def _next(engine: socket.socket, client: socket.socket) -> bytes | None:
    """What the engine says next, empty when it has no more to say; `None` when nobody is there to hear it."""
    poll = select.poll()
    poll.register(engine, select.POLLIN)
    poll.register(client, select.POLLIN)
    ready = [number for number, _ in poll.poll(_SILENCE * 1000)]
    if client.fileno() in ready:
        # Whoever waits for an answer says nothing until it is there: this is the end of the connection.
        return None
    return engine.recv(_PIECE) if ready else b""


def _refuse(asked: BaseHTTPRequestHandler, status: HTTPStatus, why: str) -> None:
    """The front door tells this from an answer of the engine by the header."""
    asked.send_response(status)
    asked.send_header(engine_pass.REFUSED, why)
    asked.send_header("Content-Length", "0")
    asked.end_headers()
