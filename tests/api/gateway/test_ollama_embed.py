"""Long texts that Ollama's clients embed: one request, whatever is done for it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from shared import keys
from shared.runtimes import Endpoint
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.serving import serving
from tests.waiting import eventually

_LONG = "word " * 200


class Embedder(ThreadingHTTPServer):
    """Each word is a token."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.paths: list[str] = []
        url = f"http://127.0.0.1:{self.server_address[1]}"
        self.endpoint = Endpoint(url=url, served_name="words", slots=4, context=32)


class Asked(BaseHTTPRequestHandler):
    server: Embedder

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.paths.append(self.path)
        said = json.dumps(self._said(asked)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def _said(self, asked: dict[str, Any]) -> dict[str, Any]:
        if self.path == "/tokenize":
            return {"tokens": [1] * len(asked["content"].split())}
        data = [{"index": index, "embedding": [len(text)]} for index, text in enumerate(asked["input"])]
        return {"data": data, "usage": {"prompt_tokens": 1, "total_tokens": 1}}

    def log_message(self, *_: object) -> None:
        """Nobody reads along."""


@pytest.fixture
def embedder() -> Iterator[Embedder]:
    with serving(Embedder()) as server:
        yield server


@pytest.fixture
def once(door: Served) -> dict[str, str]:
    """The headers of a key with one request a day."""
    with door.database.write() as session:
        made = keys.create(session, "ci", "submit", limits={"requests/day": 1})
    return {"Authorization": f"Bearer {made[1]}"}


def embed(door: Served, headers: dict[str, str]) -> httpx2.Response:
    return door.post("/api/embed", {"model": "echo", "input": [_LONG]}, headers=headers)


def test_a_long_text_to_a_model_that_is_not_loaded_is_one_request(
    door: Served, fleet: Fleet, embedder: Embedder, once: dict[str, str]
) -> None:
    got: list[httpx2.Response] = []
    thread = threading.Thread(target=lambda: got.append(embed(door, once)))
    thread.start()
    eventually(lambda: door.get("/v1/runs").json()["data"])
    fleet.make_ready(door.get("/v1/runs").json()["data"][0]["id"], "", embedder.endpoint)
    thread.join()
    assert got[0].json().get("embeddings") == [[32]], got[0].text
    [row] = door.get("/v1/usage", headers=once).json()["data"]
    assert row["requests"] == 1


def test_nothing_is_done_for_a_text_beyond_the_quota(
    door: Served, fleet: Fleet, embedder: Embedder, once: dict[str, str]
) -> None:
    fleet.ready_run(served=embedder.endpoint, capability="embed")
    assert embed(door, once).status_code == 200
    embedder.paths.clear()
    assert (embed(door, once).status_code, embedder.paths) == (429, [])
