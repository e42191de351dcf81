"""A front door that stops while it is asked: each is told so in its own dialect, and when to ask again."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import ThreadingHTTPServer
from typing import Any

import pytest

from tests.api.fleet import Fleet
from tests.api.gateway.test_broken_answers import Scripted, events
from tests.api.served import Served
from tests.serving import serving
from tests.waiting import eventually

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

_PIECE = json.dumps({"choices": [{"index": 0, "delta": {"content": "half"}, "text": "half", "finish_reason": None}]})
_ASK = {"messages": [{"role": "user", "content": "hi"}]}
_DIALECTS: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": _ASK,
    "/v1/responses": {"input": "hi"},
    "/v1/messages": _ASK | {"max_tokens": 5},
    "/api/chat": _ASK,
}
_WORDS = "The front door is being stopped"


def stop(door: Served) -> None:
    loop = door.parts.feed._poked._loop
    assert loop is not None
    loop.call_soon_threadsafe(door.app.state.proxy.stop)


@pytest.fixture
def half_way(fleet: Fleet) -> Iterator[None]:
    """A ready run of an engine that never comes further."""
    over = threading.Event()
    Scripted.says = [*events(_PIECE), over]
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Scripted)) as server:
        fleet.ready_run(f"http://127.0.0.1:{server.server_port}")
        yield
        over.set()


@pytest.mark.usefixtures("half_way")
@pytest.mark.parametrize("path", _DIALECTS)
def test_answers_under_way_end_with_a_word(door: Served, path: str) -> None:
    loads, body = door.app.state.seats._tenancy.loads, {"model": "echo", **_DIALECTS[path]}
    with ThreadPoolExecutor(1) as thread, door.client.stream("POST", path, json=body | {"stream": True}) as stream:
        lines = stream.iter_lines()
        assert next(lines)
        answer = thread.submit(door.post, path, body | {"stream": False})
        eventually(lambda: sum(load.requests for load in loads.values()) == 2)
        stop(door)
        *_, last = filter(None, lines)
        whole = answer.result()
    assert (stream.status_code, _WORDS in last) == (200, True), last
    assert (whole.status_code in (503, 529), _WORDS in whole.text) == (True, True), whole.text
    assert whole.headers["retry-after"] == "1"


@pytest.mark.parametrize(("path", "body"), [("/v1/chat/completions", _ASK), ("/api/generate", {"prompt": ""})])
def test_who_waits_for_a_run_waits_no_longer(door: Served, fleet: Fleet, path: str, body: dict[str, Any]) -> None:
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(door.post, path, {"model": "echo", **body})
        eventually(lambda: door.get("/v1/runs").json()["data"])
        stop(door)
    assert (answer.result().status_code, _WORDS in answer.result().text) == (503, True)
