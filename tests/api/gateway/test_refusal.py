"""What engines refuse: a mistake of the asker's, or the engine's own trouble."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from api.gateway.refusal import refusal
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.serving import serving


@pytest.mark.parametrize(
    ("status", "message", "read", "code"),
    [
        (400, "invalid grammar", 400, "bad_request"),
        (400, "the request exceeds the available context size", 400, "context_length_exceeded"),
        (500, "image input is not supported - hint: you may need to provide the mmproj", 400, "bad_request"),
        (500, "Failed to parse messages: type must be string, but is number", 400, "bad_request"),
        (500, "Failed to parse tools: type must be string, but is null", 400, "bad_request"),
        (500, "Failed to parse tool call arguments as JSON: number overflow parsing '1e999'", 400, "bad_request"),
        (500, "Unknown reasoning format: x", 400, "bad_request"),
        (500, "ggml assertion", 500, "engine_failed"),
        (503, "Loading model", 503, "unavailable"),
        (429, "too many requests", 429, "busy"),
        (408, "request timed out", 503, "unavailable"),
    ],
)
def test_who_is_to_blame_decides_the_status(status: int, message: str, read: int, code: str) -> None:
    error = refusal(status, json.dumps({"error": {"message": message}}).encode())
    assert (error.status, error.problem.code, error.problem.why) == (read, code, message)


def test_a_text_that_is_too_long_to_embed_is_its_senders_mistake() -> None:
    said = "input (65 tokens) is too large to process. increase the physical batch size (current batch size: 64)"
    error = refusal(500, json.dumps({"error": {"code": 500, "message": said}}).encode())
    assert (error.status, error.problem.code) == (400, "context_length_exceeded")
    assert error.problem.why == "it has 65 tokens, and the run has a context of 64"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (None, None),
        ("7", 7),
        ("0.2", 1),
        ("-1", 1),
        ("soon", None),
        ("1e9", 3600),
        ("1e400", None),
        ("nan", None),
        ("Mon, 1 Jan 99999999999999999999 00:00:00 GMT", None),
    ],
)
def test_when_to_come_back_to_an_engine_is_passed_on_within_bounds(said: str | None, told: int | None) -> None:
    headers = {} if said is None else {"retry-after": said}
    problem = refusal(429, b'{"error": "slow down"}', headers).problem
    assert (problem.why, problem.details.get("retry_after")) == ("slow down", told)


class Busy(BaseHTTPRequestHandler):
    """An engine that has enough to do for seven seconds."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(429)
        self.send_header("Retry-After", "7")
        self.end_headers()
        self.wfile.write(b'{"error": {"message": "slow down"}}')

    def log_message(self, *_: object) -> None:
        """Nobody reads along."""


@pytest.fixture
def busy() -> Iterator[str]:
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Busy)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_busy_engine_is_told_as_that_in_every_dialect(door: Served, fleet: Fleet, busy: str) -> None:
    fleet.ready_run(busy)
    asked = {"model": "echo", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    for path in ("/v1/chat/completions", "/v1/messages", "/api/chat"):
        for stream in (False, True):
            answer = door.post(path, asked | {"stream": stream})
            assert (answer.status_code, answer.headers["Retry-After"]) == (429, "7")
            assert "slow down" in answer.text
