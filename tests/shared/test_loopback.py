"""Requests to a run of this host."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.errors import Cancelled, RunDied
from shared.loopback import in_flight, post
from tests.serving import serving
from tests.waiting import eventually


class Engine(ThreadingHTTPServer):
    """Answers `ok` as soon as it may."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.may_answer = threading.Event()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


class Asked(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.server.may_answer.wait()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Nobody reads along."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with serving(Engine()) as server:
        yield server
        server.may_answer.set()


def ask(engine: Engine, check: threading.Event | None = None) -> bytes:
    def go_on() -> None:
        if check is not None and check.is_set():
            raise Cancelled("Somebody asked for it")

    with post(f"{engine.url}/v1/completions", b"{}", {}, 60.0, go_on) as reply:
        return reply.read()


def test_what_is_in_flight_is_counted_until_it_is_over(engine: Engine) -> None:
    with ThreadPoolExecutor(3) as pool:
        answers = [pool.submit(ask, engine) for _ in range(3)]
        eventually(lambda: in_flight(engine.url) == 3)
        engine.may_answer.set()
        assert [answer.result() for answer in answers] == [b"ok"] * 3
    assert in_flight(engine.url) == 0


def test_an_exchange_that_was_given_up_is_in_flight_no_more(engine: Engine) -> None:
    cancelled = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask, engine, cancelled)
        eventually(lambda: in_flight(engine.url) == 1)
        cancelled.set()
        assert isinstance(answer.exception(), Cancelled)
    assert in_flight(engine.url) == 0


def test_nothing_is_in_flight_to_a_run_that_is_gone() -> None:
    with Engine() as gone:
        pass
    with pytest.raises(RunDied):
        ask(gone)
    assert in_flight(gone.url) == 0


def test_a_process_closes_its_connections_when_it_ends(engine: Engine) -> None:
    engine.may_answer.set()
    program = f"""
import atexit, warnings

def look():
    warnings.simplefilter("always")
    loopback._POOL = None

atexit.register(look)
from shared import loopback
with loopback.post("{engine.url}/x", b"{{}}", {{}}, 30.0, lambda: None) as reply:
    reply.read()
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
