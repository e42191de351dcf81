"""Lets the front door in to this host's runs, whose engines answer on loopback only.

    POST /v1/runs/<run>/<generation>/v1/chat/completions     Authorization: Bearer <pass>

A run is named by the load that the pass is for, and where it answers is what this host's own workers say. The request
and the answer go through as they are, piece by piece. When one side is gone the other is closed at once: that is what
makes an engine stop. After an answer that was heard to its end both connections are kept for the next request.
"""

from __future__ import annotations

import re
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
from workers.agent.engine_errand import NoAnswer, carry
from workers.agent.engine_line import Address, EngineLines

log = structlog.get_logger()

_RUN = re.compile(
    r"/v1/runs/([a-z0-9_-]{1,64})/([0-9]{1,9})"
    r"(/v1/chat/completions|/v1/completions|/v1/embeddings|/v1/audio/transcriptions|/v1/audio/translations"
    r"|/v1/chat/completions/input_tokens|/tokenize|/apply-template)"
)
#: Requests at the same time, and the largest body of one.
_MOST, _LARGEST = 512, 4096 * MIB
#: Seconds for which a run may be news to this host, and for which a connection of the front door's is kept idle.
_NEWS, _IDLE = 1.0, 5.0

#: Where a load of a run answers, by run and generation; `None` when it is not here.
FindEngine = Callable[[str, int], str | None]


class EngineDoor:
    """Answers what is asked of runs."""

    def __init__(self, key: bytes, find: FindEngine) -> None:
        self._key, self._find = key, find
        self._seats = threading.BoundedSemaphore(_MOST)
        self._lines = EngineLines()

    def close(self) -> None:
        """Drop the connections that were kept."""
        self._lines.close()

    def serve(self, asked: BaseHTTPRequestHandler) -> None:
        """One request; its connection ends with it, unless all went well and both sides keep theirs."""
        wanted, asked.close_connection = not asked.close_connection, True
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
            if self._pass_on(asked, run_id, generation, path) and wanted:
                asked.close_connection = False
                asked.connection.settimeout(_IDLE)
        finally:
            self._seats.release()

    def _pass_on(self, asked: BaseHTTPRequestHandler, run_id: str, generation: int, path: str) -> bool:
        """Whether the answer went through whole, and says that another request may follow."""
        length = asked.headers["Content-Length"] or ""
        if not length.isdecimal() or int(length) > _LARGEST:
            _refuse(asked, HTTPStatus.LENGTH_REQUIRED, "the length of the request is not known, or too much")
            return False
        url = self._find_soon(run_id, generation)
        if url is None:
            _refuse(asked, HTTPStatus.BAD_GATEWAY, "the run is not here any more")
            return False
        try:
            return carry(asked, self._lines, _address(url), path, int(length))
        except NoAnswer as error:
            log.info("an engine did not answer", run=run_id, reason=str(error))
            _refuse(asked, HTTPStatus.BAD_GATEWAY, "the engine does not answer")
        except OSError as error:
            log.info("a request to a run broke off", run=run_id, reason=str(error))
        return False

    def _find_soon(self, run_id: str, generation: int) -> str | None:
        """The front door hears of a ready run from its worker, and may ask before the agent has."""
        deadline = time.monotonic() + _NEWS
        while (url := self._find(run_id, generation)) is None and time.monotonic() < deadline:
            time.sleep(0.02)
        return url


def _address(url: str) -> Address:
    parts = urlsplit(url)
    return parts.hostname or "127.0.0.1", parts.port or 80


def _refuse(asked: BaseHTTPRequestHandler, status: HTTPStatus, why: str) -> None:
    """The front door tells this from an answer of the engine by the header."""
    asked.send_response(status)
    asked.send_header(engine_pass.REFUSED, why)
    asked.send_header("Content-Length", "0")
    asked.end_headers()
