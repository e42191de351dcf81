"""Answers of engines that do not say how many tokens they took cost about what they would have said."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from api.gateway.exchange import Exchange
from api.gateway.pieces import Usage
from api.gateway.uncounted import taken
from shared import keys
from shared.requests import CHAT, COMPLETION, EMBEDDING
from shared.runs import service
from shared.runs.service import RunWish
from shared.vocabulary import Capability
from tests.api.fleet import Fleet
from tests.api.served import Served

#: 40 and 80 letters: ten tokens and twenty.
_ASKED, _SAID = "asked " * 6 + "once", "answered " * 8 + "and done"
_CHOICE = {"index": 0, "finish_reason": "stop"}


class Silent(BaseHTTPRequestHandler):
    """An engine that answers everything, and counts nothing or zeros."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path == EMBEDDING:
            self._send("application/json", json.dumps({"data": [{"embedding": [1.0]}]}))
        elif "one-piece" in json.dumps(asked):
            message = {"role": "assistant", "content": _SAID}
            self._send("application/json", json.dumps({"choices": [_CHOICE | {"message": message}], "usage": None}))
        else:
            deltas: list[dict[str, Any]] = [{"role": "assistant", "content": "a"}, {"content": "b"}, {"content": "c"}]
            chunks: list[Any] = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
            chunks += [{"choices": [_CHOICE | {"delta": {}}]}]
            odd = "many" if "odd" in json.dumps(asked) else 0
            chunks += [{"choices": [], "usage": {"prompt_tokens": odd, "completion_tokens": 0}}]
            lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
            self._send("text/event-stream", "".join([*lines, "data: [DONE]\n\n"]))

    def _send(self, media_type: str, text: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def silent(fleet: Fleet) -> Iterator[None]:
    """Two ready runs of such an engine: one that writes, one that embeds."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Silent)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for capability in (Capability.GENERATE, Capability.EMBED):
        with fleet.door.database.write() as session:
            run_id = service.start(session, RunWish("echo", capability))
        fleet.make_ready(run_id, f"http://127.0.0.1:{server.server_port}")
    yield
    server.shutdown()
    thread.join()
    server.server_close()


def used(door: Served, path: str, body: dict[str, Any]) -> tuple[int, int, int]:
    """Requests and tokens that this request cost."""
    answer = door.post(path, {"model": "echo", **body})
    assert answer.status_code == 200, answer.text
    [row] = door.get("/v1/usage").json()["data"]
    return row["requests"], row["prompt"], row["completion"]


def chat(*words: str, **more: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": " ".join(words)}], **more}


@pytest.mark.usefixtures("silent")
def test_an_answer_in_one_piece_costs_what_its_length_is(door: Served) -> None:
    requests, prompt, completion = used(door, CHAT, chat("one-piece", _ASKED))
    assert requests == 1
    assert 10 < prompt < 30
    assert completion == 20


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_in_pieces_costs_about_as_many_tokens(door: Served, stream: bool) -> None:
    requests, prompt, completion = used(door, CHAT, chat(_ASKED, stream=stream))
    assert requests == 1
    assert 10 < prompt < 30
    assert 3 <= completion <= 5


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("stream", [False, True])
def test_counts_that_are_no_numbers_keep_no_place_of_the_key(door: Served, stream: bool) -> None:
    with door.database.write() as session:
        secret = keys.create(session, "ci", "submit", limits={"concurrent": 1})[1]
    for _ in range(2):
        answer = door.post(
            CHAT, {"model": "echo", **chat("odd", stream=stream)}, headers={"Authorization": f"Bearer {secret}"}
        )
        assert answer.status_code == 200, answer.text


@pytest.mark.usefixtures("silent")
def test_vectors_cost_what_all_texts_have(door: Served) -> None:
    one = taken(exchange(EMBEDDING, {"input": _ASKED}), 0, {})
    assert 10 <= one.prompt < 30
    assert used(door, "/v1/embeddings", {"input": [_ASKED] * 3}) == (1, 3 * one.prompt, 0)


def exchange(path: str, body: dict[str, Any]) -> Exchange:
    return Exchange("m", Capability.GENERATE, path, body)


def test_all_that_was_said_costs_something() -> None:
    call = {"type": "function", "function": {"name": "look", "arguments": '{"where": "here"}'}}
    message = {"content": None, "reasoning_content": _SAID, "tool_calls": [call]}
    said = {"choices": [{"message": message}, {"message": {"content": _SAID}}]}
    assert 40 < taken(exchange(CHAT, chat(_ASKED)), 0, said).completion < 80
    assert taken(exchange(COMPLETION, {"prompt": _ASKED}), 0, {"choices": [{"text": _SAID}]}).completion == 20
    assert taken(exchange(COMPLETION, {"prompt": [[1, 2], [3]]}), 2) == Usage(prompt=3, completion=2)
    assert taken(exchange(COMPLETION, {"prompt": [1, 2]}), 2) == Usage(prompt=2, completion=2)


@pytest.mark.parametrize("stray", [{"prompt": _SAID * 9}, {"prompt": ""}, {"input": [_SAID] * 9}])
def test_a_chat_costs_what_its_messages_have(stray: dict[str, Any]) -> None:
    asked = chat(_ASKED, tools=[{"type": "function", "function": {"name": "look"}}])
    assert taken(exchange(CHAT, asked | stray), 2) == taken(exchange(CHAT, asked), 2)


def test_what_no_engine_has_answered_costs_nothing() -> None:
    assert taken(exchange(CHAT, chat(_ASKED)), 0) == Usage()
