"""Answers that break off without a word, or that nobody can read: no client takes them for finished ones."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar

import httpx2
import pytest

from api.gateway.routing import Load
from shared.runs import service
from shared.runs.service import RunWish
from shared.vocabulary import Capability
from tests.api.fleet import Fleet
from tests.api.gateway.test_wire import check_error
from tests.api.served import Served
from tests.serving import serving

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_TEXT = "one two three"
_ASK = [{"role": "user", "content": _TEXT}]
_DIALECTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {"messages": _ASK},
    "/v1/completions": {"prompt": _TEXT},
    "/v1/responses": {"input": _TEXT},
    "/v1/messages": {"messages": _ASK, "max_tokens": 50},
    "/api/chat": {"messages": _ASK},
    "/api/generate": {"prompt": _TEXT},
}
#: How each dialect says that an answer is over.
_ENDS = ("[DONE]", "response.completed", "message_stop", '"done":true', '"done": true', '"finish_reason":"stop"')
#: No chunks, or chunks of nothing.
_NONSENSE = ['{"oops', "[1]", "3", '{"choices": 3}', '{"choices": [null]}', '{"error": "no', "[" * 100_000]
#: A piece of an answer, of a chat and of a completion.
_PIECE = json.dumps({"choices": [{"index": 0, "delta": {"content": "half"}, "text": "half", "finish_reason": None}]})
_END = json.dumps({"choices": [{"index": 0, "delta": {}, "text": "", "finish_reason": "stop"}]})


class Scripted(BaseHTTPRequestHandler):
    """An engine as mlx-lm's server is one: where its answer ends, the connection does."""

    #: Lines, and what it waits for between them.
    says: ClassVar[Sequence[str | threading.Event]] = []
    asked: ClassVar[int] = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        if not self.path.endswith(("/completions", "/embeddings")):
            self.send_error(404)
            return
        Scripted.asked += 1
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for line in self.says:
            if isinstance(line, threading.Event):
                line.wait(60)
                continue
            self.wfile.write(line.encode())
            self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


@pytest.fixture
def scripted(fleet: Fleet) -> Iterator[None]:
    """A ready run of such an engine."""
    Scripted.asked = 0
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Scripted)) as server:
        fleet.ready_run(f"http://127.0.0.1:{server.server_port}")
        yield


@pytest.fixture
def second(door: Served, scripted: None, mini: Fleet, engine: str) -> None:
    """Another run that answers, and has a request already, so that the scripted one is asked first."""
    with door.database.write() as session:
        run_id = service.start(session, RunWish("echo", Capability.GENERATE, host="mini"))
    mini.make_ready(run_id, engine)
    door.app.state.seats._tenancy.loads[run_id] = Load(1)


def events(*payloads: str) -> list[str]:
    return [f"data: {payload}\n\n" for payload in payloads]


def ask(door: Served, path: str, *, stream: bool) -> httpx2.Response:
    return door.post(path, {"model": "echo", "stream": stream, **_DIALECTS[path]})


def last_of(answer: httpx2.Response) -> str:
    """The last thing that a stream says."""
    return answer.text.strip().splitlines()[-1]


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("path", _DIALECTS)
@pytest.mark.parametrize("says", [[], events(_PIECE), [*events(_PIECE), 'data: {"choices": [{"ind']])
def test_a_whole_answer_that_breaks_off_is_asked_for_elsewhere(door: Served, path: str, says: list[str]) -> None:
    Scripted.says = says
    answer = ask(door, path, stream=False)
    assert (answer.status_code, "one two three" in answer.text) == (200, True), answer.text
    assert "half" not in answer.text
    assert Scripted.asked == 1


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("path", _DIALECTS)
def test_a_stream_that_breaks_off_before_it_began_is_asked_for_elsewhere(door: Served, path: str) -> None:
    Scripted.says = []
    answer = ask(door, path, stream=True)
    assert (answer.status_code, "three" in answer.text) == (200, True), answer.text
    assert Scripted.asked == 1


@pytest.mark.usefixtures("second")
@pytest.mark.parametrize("path", _DIALECTS)
@pytest.mark.parametrize("says", [events(_PIECE), [*events(_PIECE), 'data: {"choices": [{"ind']])
def test_a_stream_that_breaks_off_ends_with_an_error(door: Served, path: str, says: list[str]) -> None:
    Scripted.says = says
    answer = ask(door, path, stream=True)
    assert (answer.status_code, "half" in answer.text) == (200, True)
    assert "The run went away" in last_of(answer)
    assert not any(end in answer.text for end in _ENDS), answer.text


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("path", _DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("end", [_END, "[DONE]"])
def test_an_answer_is_whole_with_either_word_of_its_end(door: Served, path: str, stream: bool, end: str) -> None:
    Scripted.says = events(_PIECE, end)
    answer = ask(door, path, stream=stream)
    assert (answer.status_code, "half" in answer.text, "went away" in answer.text) == (200, True, False)
    assert not stream or any(end in answer.text for end in _ENDS), answer.text


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("path", _DIALECTS)
@pytest.mark.parametrize("stream", [False, True])
def test_an_error_in_a_line_of_its_own_is_told(door: Served, path: str, stream: bool) -> None:
    Scripted.says = ['error: {"code": 500, "message": "slot unavailable"}\n\n']
    answer = ask(door, path, stream=stream)
    assert (answer.status_code, "slot unavailable" in answer.text) == (500, True), answer.text


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("path", _DIALECTS)
@pytest.mark.parametrize("nonsense", _NONSENSE, ids=lambda nonsense: nonsense[:20])
def test_what_nobody_can_read_is_an_error_of_the_engine(door: Served, path: str, nonsense: str) -> None:
    Scripted.says = events(nonsense, _PIECE, _END, "[DONE]")
    for stream in (False, True):
        answer = ask(door, path, stream=stream)
        assert (answer.status_code, "The engine's answer cannot be read" in answer.text) == (500, True), answer.text
        check_error(path, answer.json())


@pytest.mark.usefixtures("scripted")
@pytest.mark.parametrize("path", _DIALECTS)
@pytest.mark.parametrize("nonsense", _NONSENSE, ids=lambda nonsense: nonsense[:20])
def test_what_nobody_can_read_ends_a_stream_that_has_begun(door: Served, path: str, nonsense: str) -> None:
    begun = threading.Event()
    Scripted.says = [*events(_PIECE), begun, *events(nonsense, _PIECE, _END, "[DONE]")]
    with door.client.stream("POST", path, json={"model": "echo", "stream": True, **_DIALECTS[path]}) as answer:
        lines = answer.iter_lines()
        told = [next(lines)]
        begun.set()
        told += [line for line in lines if line]
    assert "The engine's answer cannot be read" in told[-1]
    assert not any(end in line for line in told for end in _ENDS)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/api/embed"])
@pytest.mark.parametrize(
    "vectors", ['[{"embedding": [1,,2]}]', '[{"embedding": [null, 1]}]', '[{"embedding": [1', "[{}]", "3"]
)
def test_vectors_that_nobody_can_read_are_an_error_of_the_engine(
    door: Served, fleet: Fleet, path: str, vectors: str
) -> None:
    Scripted.says = [f'{{"data": {vectors}}}']
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Scripted)) as server:
        fleet.ready_run(f"http://127.0.0.1:{server.server_port}", capability="embed")
        answer = door.post(path, {"model": "echo", "input": "x", "dimensions": 1})
    assert (answer.status_code, "cannot be read" in answer.text) == (500, True), answer.text


@pytest.mark.parametrize("numbers", ["[null, 1]", "[1e39]", '["1"]'])
def test_numbers_that_are_none_of_32_bits_are_an_error_of_the_engine(door: Served, fleet: Fleet, numbers: str) -> None:
    Scripted.says = [f'{{"data": [{{"embedding": {numbers}}}]}}']
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Scripted)) as server:
        fleet.ready_run(f"http://127.0.0.1:{server.server_port}", capability="embed")
        answer = door.post("/v1/embeddings", {"model": "echo", "input": "x", "encoding_format": "base64"})
    assert (answer.status_code, "cannot be read" in answer.text) == (500, True), answer.text
