"""The front door gets to this host's runs with a pass, and to nothing else; when one side goes, so does the other."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from typing import Any

import httpx2
import psutil
import pytest

from shared import engine_pass
from shared.engine_pass import REFUSED
from shared.runtimes import InstalledModel, RunSpec
from shared.units import GIB, Bytes
from shared.vocabulary import Format
from tests.waiting import eventually
from workers.agent import engine_door, engine_line
from workers.agent.engine_door import EngineDoor
from workers.agent.engine_line import EngineLine, EngineLines
from workers.agent.peer import PeerServer
from workers.port import free_port
from workers.process import RunProcess
from workers.runtimes.echo import RUNTIME

#: Seconds that anybody here may take.
_PATIENCE = 60.0
KEY = engine_pass.own_secret("ch_mini")
_CHAT = "/v1/chat/completions"
_WHOLE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
_MODEL = InstalledModel(id="x", name="echo", format=Format.ECHO, path="", size=Bytes(0))


@dataclass
class Mini:
    """A host with one run, `run_1` in its second load, that has one slot."""

    server: PeerServer
    engine: RunProcess

    def url(self, path: str = _CHAT, run: str = "run_1", generation: int = 2) -> str:
        return f"http://127.0.0.1:{self.server.port}/v1/runs/{run}/{generation}{path}"

    def ask(self, body: dict[str, Any] | None = None, token: str | None = None, **place: Any) -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token or self.leave()}"}
        said = body or {"messages": [{"role": "user", "content": "hello there"}]}
        return httpx2.post(self.url(**place), json=said, headers=headers, trust_env=False, timeout=_PATIENCE)

    def leave(self, run: str = "run_1", generation: int = 2, at: float | None = None) -> str:
        return engine_pass.sign(KEY, run, generation, at if at is not None else time.time())


@pytest.fixture
def mini() -> Iterator[Mini]:
    engine = RunProcess.start(RUNTIME.plan(RunSpec(slots=1), _MODEL, free_port()))
    engine.wait_ready(RUNTIME.diagnose)
    here = {("run_1", 2): engine.endpoint.url}
    door = EngineDoor(KEY, lambda run_id, generation: here.get((run_id, generation)))
    server = PeerServer("127.0.0.1", 0, "mini", b"", None, door)
    yield Mini(server, engine)
    server.close()
    engine.stop()


def slow(tokens: int = 1000, **more: Any) -> dict[str, Any]:
    echo = {"tokens": tokens, "itl_ms": 20}
    return {"messages": [{"role": "user", "content": "x"}], "stream": True, "echo": echo, **more}


def test_what_the_engine_says_comes_through(mini: Mini) -> None:
    answer = mini.ask()
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "hello there"
    refused = mini.ask({"messages": []})
    assert (refused.status_code, REFUSED in refused.headers) == (400, False)


def test_nobody_gets_in_without_a_pass_for_this_load(mini: Mini) -> None:
    other = engine_pass.sign(engine_pass.own_secret("ch_studio"), "run_1", 2, time.time())
    stale = mini.leave(at=time.time() - 600)
    for token in ("nonsense", "1.", ".", other, stale, mini.leave(generation=1), mini.leave(run="run_2")):
        answer = mini.ask(token=token)
        assert (answer.status_code, answer.content) == (403, b"")


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/v1/chat/completions/", "/../v1/chat/completions"])
def test_only_what_answers_requests_is_open(mini: Mini, path: str) -> None:
    answer = mini.ask(path=path)
    assert (answer.status_code, REFUSED in answer.headers) == (404, True)


def test_a_run_that_is_gone_is_told_from_an_engine_that_fails(mini: Mini) -> None:
    gone = mini.ask(token=mini.leave(generation=3), generation=3)
    assert (gone.status_code, gone.headers[REFUSED]) == (502, "the run is not here any more")
    failed = mini.ask({**slow(), "stream": False, "echo": {"fail": "error", "status": 500}})
    assert (failed.status_code, REFUSED in failed.headers) == (500, False)
    mini.engine.stop()
    assert mini.ask().headers[REFUSED] == "the engine does not answer"


def test_a_run_that_the_agent_has_not_heard_of_yet_is_waited_for(mini: Mini, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_door, "_NEWS", _PATIENCE)
    looks = iter([None, None])
    door = EngineDoor(KEY, lambda run_id, generation: next(looks, mini.engine.endpoint.url))
    server = PeerServer("127.0.0.1", 0, "mini", b"", None, door)
    assert replace(mini, server=server).ask().status_code == 200
    server.close()


def test_what_says_no_length_or_too_large_a_one_is_refused(mini: Mini) -> None:
    for length in (None, "", "-1", "many", str(5 * GIB)):
        connection = HTTPConnection("127.0.0.1", mini.server.port, timeout=_PATIENCE)
        connection.putrequest("POST", mini.url().partition(str(mini.server.port))[2])
        connection.putheader("Authorization", f"Bearer {mini.leave()}")
        if length is not None:
            connection.putheader("Content-Length", length)
        connection.endheaders()
        answer = connection.getresponse()
        assert (answer.status, answer.headers[REFUSED] is not None) == (411, True), length
        connection.close()


@pytest.fixture
def _one_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_door, "_MOST", 1)


@pytest.mark.usefixtures("_one_at_once")
def test_more_than_it_can_carry_is_refused_until_one_has_left(mini: Mini) -> None:
    headers = {"Authorization": f"Bearer {mini.leave()}"}
    with httpx2.stream(
        "POST", mini.url(), json=slow(100_000), headers=headers, trust_env=False, timeout=_PATIENCE
    ) as answer:
        lines = answer.iter_lines()
        next(lines)
        refused = mini.ask()
        assert (refused.status_code, refused.headers[REFUSED]) == (503, "too many requests at once")
    eventually(lambda: mini.ask().status_code == 200)


def test_pieces_come_as_the_engine_says_them(mini: Mini) -> None:
    headers = {"Authorization": f"Bearer {mini.leave()}"}
    endless = slow(1_000_000)
    with httpx2.stream("POST", mini.url(), json=endless, headers=headers, trust_env=False, timeout=_PATIENCE) as answer:
        pieces = (line for line in answer.iter_lines() if line.startswith("data: {"))
        assert len([next(pieces) for _ in range(10)]) == 10, "long before the last"


def test_when_the_front_door_leaves_the_engine_is_free_before_it_says_more(mini: Mini) -> None:
    body = json.dumps(slow(2, echo={"tokens": 2, "itl_ms": 3_600_000})).encode()
    head = f"POST {mini.url().partition(str(mini.server.port))[2]} HTTP/1.1\r\nHost: x\r\n"
    head += f"Authorization: Bearer {mini.leave()}\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", mini.server.port)) as leaver:
        leaver.sendall(head.encode() + body)
        assert leaver.recv(1)
    assert mini.ask().status_code == 200


def test_connections_of_both_sides_serve_the_next_request(mini: Mini) -> None:
    headers = {"Authorization": f"Bearer {mini.leave()}"}
    with httpx2.Client(trust_env=False, timeout=_PATIENCE) as client:
        for stream in (False, True, False):
            answer = client.post(mini.url(), json=slow(3, stream=stream), headers=headers)
            assert answer.status_code == 200
            assert "Connection" not in answer.headers
        assert len(_connections(mini.server.port)) == len(_connections(mini.engine.plan.port)) == 1


def test_a_kept_connection_to_an_engine_that_was_loaded_again_is_not_used(mini: Mini) -> None:
    assert mini.ask().status_code == 200
    mini.engine.stop()
    mini.engine = RunProcess.start(RUNTIME.plan(RunSpec(slots=1), _MODEL, mini.engine.plan.port))
    mini.engine.wait_ready(RUNTIME.diagnose)
    assert mini.ask().status_code == 200


def test_an_engine_that_closes_a_kept_connection_as_it_is_used_is_asked_again() -> None:
    with closing_engine(_WHOLE) as (port, connections):
        door = EngineDoor(KEY, lambda run_id, generation: f"http://127.0.0.1:{port}")
        server = PeerServer("127.0.0.1", 0, "mini", b"", None, door)
        url = f"http://127.0.0.1:{server.port}/v1/runs/run_1/2{_CHAT}"
        headers = {"Authorization": f"Bearer {engine_pass.sign(KEY, 'run_1', 2, time.time())}"}
        for _ in range(2):
            answer = httpx2.post(url, json={}, headers=headers, trust_env=False, timeout=_PATIENCE)
            assert (answer.status_code, answer.content) == (200, b"{}")
        server.close()
    assert len(connections) == 2


def test_an_engine_that_is_stuck_is_not_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_line, "_IDLE", _PATIENCE)
    with closing_engine(_WHOLE, stuck=True) as (port, connections):
        door = EngineDoor(KEY, lambda run_id, generation: f"http://127.0.0.1:{port}")
        server = PeerServer("127.0.0.1", 0, "mini", b"", None, door)
        url = f"http://127.0.0.1:{server.port}/v1/runs/run_1/2{_CHAT}"
        headers = {"Authorization": f"Bearer {engine_pass.sign(KEY, 'run_1', 2, time.time())}"}
        assert httpx2.post(url, json={}, headers=headers, trust_env=False, timeout=_PATIENCE).status_code == 200
        monkeypatch.setattr("workers.agent.engine_errand._SILENCE", 1.0)
        refused = httpx2.post(url, json={}, headers=headers, trust_env=False, timeout=_PATIENCE)
        assert refused.headers[engine_pass.REFUSED]
        server.close()
    assert len(connections) == 1


def test_no_more_connections_to_an_engine_are_kept_than_are_of_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_line, "_KEPT", 1)
    monkeypatch.setattr(engine_line, "_IDLE", _PATIENCE)
    with closing_engine(_WHOLE) as (port, _):
        address, kept = ("127.0.0.1", port), EngineLines()
        for line in [EngineLine(address, 30.0) for _ in range(2)]:
            line.send(b"POST / HTTP/1.1\r\n\r\n")
            while not line.answered:
                line.hear(1024)
            kept.keep(line)
        [one, none] = kept.take(address), kept.take(address)
        assert (one is not None, none) == (True, None)
        if one is not None:
            one.close()


@contextmanager
def closing_engine(said: bytes, *, stuck: bool = False) -> Iterator[tuple[int, list[socket.socket]]]:
    """Answers the first request of each connection, and ends the connection when a second begins, or says no more."""
    connections: list[socket.socket] = []
    answering: list[threading.Thread] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            connections.append(connection)
            answering.append(threading.Thread(target=answer, args=[connection], daemon=True))
            answering[-1].start()

    def answer(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(said)
        connection.recv(1)
        if not stuck:
            connection.close()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield listener.getsockname()[1], connections
        listener.shutdown(socket.SHUT_RDWR)
        serving.join(_PATIENCE)
    for thread, connection in zip(answering, connections, strict=True):
        thread.join(_PATIENCE)
        connection.close()


def _connections(port: int) -> list[object]:
    """Open connections of this process to a port of this machine."""
    mine = psutil.Process().net_connections("tcp")
    return [one for one in mine if one.raddr and one.raddr.port == port and one.status == psutil.CONN_ESTABLISHED]


def test_an_engine_that_dies_in_mid_stream_breaks_the_stream(mini: Mini) -> None:
    headers = {"Authorization": f"Bearer {mini.leave()}"}
    dying = slow(100, echo={"tokens": 100, "itl_ms": 5, "fail": "crash", "fail_after": 3})
    with httpx2.stream("POST", mini.url(), json=dying, headers=headers, trust_env=False, timeout=_PATIENCE) as answer:
        assert answer.status_code == 200
        with pytest.raises(httpx2.RemoteProtocolError):
            answer.read()
