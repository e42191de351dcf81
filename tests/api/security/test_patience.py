"""Clients that send or read too slowly are let go, and nothing stays held for them."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack, suppress

import pytest

from api.patience import PatientProtocol
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.security.wire import request, rest, wire
from tests.api.served import Served
from tests.api.test_gateway import chat
from tests.waiting import eventually

_CHAT = "/v1/chat/completions"


class Hasty(PatientProtocol):
    """With little patience once a head has come, and so little room in the kernel that it knows soon who does not read.

    For heads it has as much as always: a busy machine may take a while from a connection to the first byte.
    """

    body_seconds = unread_seconds = 0.4
    linger_seconds = 30.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)


class Hastier(Hasty):
    """With little patience for heads, too."""

    head_seconds = 0.4


@pytest.fixture
def door(open_door: Opener) -> Served:
    return open_door(protocol=Hasty, host_name="studio")


@pytest.fixture
def hastier(open_door: Opener) -> Served:
    return open_door(protocol=Hastier)


def status(said: bytes) -> int:
    return int(said.split(b" ")[1])


@pytest.mark.parametrize(
    "head", [b"", b"\r\n\r\n", b"GET /he", b"GET /health HTTP/1.1\r\nHost: localhost\r\nX-Slow: a"], ids=repr
)
def test_a_head_that_does_not_end_is_not_waited_for(hastier: Served, head: bytes) -> None:
    with wire(hastier) as connection:
        connection.sendall(head)
        said = rest(connection)
    assert not said or status(said) == 408


def test_a_body_that_stops_half_way_is_not_waited_for(door: Served) -> None:
    with wire(door) as connection:
        connection.sendall(request(_CHAT, b"{" + b" " * 100)[:-50])
        said = rest(connection)
    assert status(said) == 408
    assert set(json.loads(said.partition(b"\r\n\r\n")[2])["error"]) == {"message", "type", "param", "code"}
    assert door.get("/v1/calls").json()["data"] == [], "it was not counted"


def test_a_body_that_drips_is_not_waited_for(door: Served) -> None:
    with wire(door) as connection:
        connection.sendall(request(_CHAT, b" " * 5000)[:-5000])
        connection.settimeout(0.05)
        drops = 0
        while drops < 400:
            with suppress(TimeoutError):
                said = connection.recv(65536)
                break
            # It may have said why between our look and our word: what it said is there to be read.
            with suppress(ConnectionError):
                connection.sendall(b" ")
            drops += 1
    assert drops < 400
    assert status(said) == 408


def test_a_body_that_comes_in_pieces_is_read(open_door: Opener) -> None:
    whole = request("/v1/nothing", json.dumps(chat("x")).encode())
    with wire(open_door()) as connection:
        for start in range(0, len(whole), 40):
            connection.sendall(whole[start : start + 40])
        assert status(connection.recv(65536)) == 404


@pytest.mark.parametrize("head", [b"X-Long: " + b"a" * 200_000, b"X-A: b\r\n" * 20_000], ids=["one", "many"])
def test_a_head_that_is_too_long_is_not_kept(door: Served, head: bytes) -> None:
    with wire(door) as connection:
        try:
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
        except ConnectionError:
            return
        said = rest(connection)
    assert not said or status(said) == 431


@pytest.mark.parametrize("junk", [b"\x16\x03\x01\x02\x00\x01\x00", b"HELO\r\n\r\n", b"GET  HTTP/9\r\n\r\n"])
def test_what_is_no_http_is_answered_in_our_shape(door: Served, junk: bytes) -> None:
    with wire(door) as connection:
        connection.sendall(junk)
        said = rest(connection)
    assert status(said) == 400
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"


def test_two_requests_in_one_piece_are_both_answered(door: Served) -> None:
    with wire(door) as connection:
        asked = b"GET /api/version HTTP/1.1\r\nHost: localhost\r\n"
        connection.sendall(asked + b"\r\n" + asked + b"Connection: close\r\n\r\n")
        assert rest(connection).count(b"HTTP/1.1 200") == 2


def test_who_asks_without_end_and_waits_for_nothing_is_let_go(door: Served) -> None:
    asked = b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with wire(door) as connection:
        try:
            connection.sendall(asked * 100_000)
        except ConnectionError:
            return
        assert rest(connection).count(b"HTTP/1.1 ") < 1000


def test_a_client_that_reads_nothing_stops_the_engine(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    loads = door.app.state.seats._tenancy.loads
    body = chat("x" * 8000, stream=True, echo={"tokens": 100_000, "itl_ms": 1})
    with wire(door) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(request(_CHAT, json.dumps(body).encode()))
        # What is known of a run stays when its requests are over.
        eventually(lambda: loads)
        eventually(lambda: not any(load.requests for load in loads.values()))


def test_a_long_answer_to_a_client_that_reads_is_not_cut(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    body = chat("x", stream=True, echo={"tokens": 30, "itl_ms": 50})
    assert door.post(_CHAT, body).text.endswith("data: [DONE]\n\n")


def test_whoever_says_nothing_leaves_no_connection_behind(hastier: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    with ExitStack() as silent:
        connections = [silent.enter_context(wire(hastier)) for _ in range(50)]
        assert {rest(connection) for connection in connections} == {b""}
    monkeypatch.setattr(Hastier, "head_seconds", PatientProtocol.head_seconds)
    assert hastier.get("/health").status_code == 200
