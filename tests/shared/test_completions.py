"""Answers of engines that do not quite speak as they were asked to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shared.completions import Completion, complete, refusal, stream
from shared.errors import EngineFailed, InvalidInput
from shared.requests import CHAT, EngineRequest
from shared.runtimes import Endpoint
from tests.serving import serving

_WHOLE = {
    "id": "x",
    "error": None,
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "yes"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}


class Engine(ThreadingHTTPServer):
    """Says the same to everybody."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.says, self.media_type = b"", "application/json; charset=utf-8"
        url = f"http://127.0.0.1:{self.server_address[1]}"
        self.endpoint = Endpoint(url=url, served_name="m", slots=1, context=512)


class Asked(BaseHTTPRequestHandler):
    server: Engine

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Type", self.server.media_type)
        self.end_headers()
        self.wfile.write(self.server.says)

    def log_message(self, *_: object) -> None:
        """Nobody reads along."""


@pytest.fixture
def engine() -> Iterator[Engine]:
    with serving(Engine()) as server:
        yield server


def ask(engine: Engine) -> Completion:
    return complete(engine.endpoint, EngineRequest(CHAT, {"messages": []}), timeout=30.0, check=lambda: None)


def test_an_engine_that_does_not_stream_is_taken_at_its_word(engine: Engine) -> None:
    engine.says, heard = json.dumps(_WHOLE).encode(), list[str]()
    request = EngineRequest(CHAT, {"messages": []})
    said = stream(engine.endpoint, request, heard.append, timeout=30.0, check=lambda: None)
    assert (said.response, heard) == (_WHOLE, ["yes"])
    assert (said.first, said.last) == (None, None), "nobody knows when it wrote what"


@pytest.mark.parametrize("said", [{}, {"choices": []}, {"choices": {"0": "yes"}}, {"choices": ["yes"]}])
def test_an_answer_without_an_answer_is_a_failure(engine: Engine, said: object) -> None:
    engine.says = json.dumps(said).encode()
    with pytest.raises(EngineFailed):
        ask(engine)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("context_length_exceeded", EngineFailed), (None, EngineFailed), (400, InvalidInput), ("400", InvalidInput),
        (0, EngineFailed), (True, EngineFailed), (200, EngineFailed), (600, EngineFailed), ("\u00b2", EngineFailed),
        ("9" * 5000, EngineFailed), ("503", EngineFailed),
    ],
)  # fmt: skip
def test_an_error_in_place_of_an_answer_is_told(
    engine: Engine, stream: bool, code: object, error: type[Exception]
) -> None:
    said = json.dumps({"error": {"message": "too long", "code": code}})
    engine.says = f"data: {said}\n\n".encode() if stream else said.encode()
    engine.media_type = "text/event-stream" if stream else "application/json"
    with pytest.raises(error, match="too long"):
        ask(engine)


@pytest.mark.parametrize(
    ("status", "message", "error"),
    [
        (400, "invalid grammar", InvalidInput), (500, "ggml assertion", EngineFailed), (429, "busy", EngineFailed),
        (500, "image input is not supported - hint: you may need to provide the mmproj", InvalidInput),
        (500, "Failed to parse messages: type must be string, but is number", InvalidInput),
    ],
)  # fmt: skip
def test_a_mistake_of_the_asker_s_is_not_asked_again(status: int, message: str, error: type[Exception]) -> None:
    assert isinstance(refusal(status, json.dumps({"error": {"message": message}}).encode()), error)


@pytest.mark.parametrize("stream", [True, False])
def test_half_a_character_in_an_answer_is_a_question_mark(engine: Engine, stream: bool) -> None:
    choice = {"index": 0, "finish_reason": "stop"}
    content = {"role": "assistant", "content": "yes\ud83d"}
    said = json.dumps({"choices": [choice | {"delta" if stream else "message": content}]})
    engine.says = f"data: {said}\n\n".encode() if stream else said.encode()
    engine.media_type = "text/event-stream" if stream else "application/json"
    assert ask(engine).text == "yes?"


def test_half_a_character_in_an_engine_s_error_is_a_question_mark(engine: Engine) -> None:
    engine.says = json.dumps({"error": {"message": "no \ud83d here", "code": 400}}).encode()
    with pytest.raises(InvalidInput, match=r"no \? here"):
        ask(engine)


@pytest.mark.parametrize("levels", [150, 100_000])
def test_an_answer_that_is_nested_too_deep_is_a_failure(engine: Engine, levels: int) -> None:
    engine.says = b'{"choices": [' + b"[" * levels + b"]" * levels + b"]}"
    with pytest.raises(EngineFailed, match="deep"):
        ask(engine)
