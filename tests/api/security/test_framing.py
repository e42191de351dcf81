"""A request whose end could be read in two ways is not read at all: what follows it is nobody's second request."""

from __future__ import annotations

import json

import pytest

from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.security.wire import request, rest, wire
from tests.api.served import Served
from tests.api.test_gateway import chat

_CHAT = "/v1/chat/completions"
_LAST = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_HIDDEN = b"GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
_FRAMES = {
    "both": [b"Content-Length: 5", b"Transfer-Encoding: chunked"],
    "both, turned": [b"Transfer-Encoding: chunked", b"Content-Length: 5"],
    "two lengths": [b"Content-Length: 5", b"Content-Length: 70"],
    "a list of lengths": [b"Content-Length: 5, 70"],
    "a sign": [b"Content-Length: +5"],
    "a length in hex": [b"Content-Length: 0x5"],
    "below nothing": [b"Content-Length: -1"],
    "more than a number holds": [b"Content-Length: 99999999999999999999999"],
    "not chunked last": [b"Transfer-Encoding: chunked, identity"],
    "nearly chunked": [b"Transfer-Encoding: xchunked"],
    "a space before the colon": [b"Transfer-Encoding : chunked", b"Content-Length: 5"],
    "a folded line": [b"Transfer-Encoding:\r\n chunked", b"Content-Length: 5"],
    "a null": [b"Transfer-Encoding: chunked\x00", b"Content-Length: 5"],
}


@pytest.mark.parametrize("lines", _FRAMES.values(), ids=_FRAMES)
def test_what_hides_behind_a_body_is_not_answered(door: Served, lines: list[bytes]) -> None:
    head = b"\r\n".join([b"POST /v1/nothing HTTP/1.1", b"Host: localhost", *lines, b"", b""])
    with wire(door) as connection:
        connection.sendall(head + b"0\r\n\r\n" + _HIDDEN)
        said = rest(connection)
    assert said.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 413 ")), said
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"/v1/keys" not in said


#: As Java's client, curl, and a browser ask for it.
_WISHES = {
    "h2c": ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAAAAIAAAAB"],
    "websocket": ["Connection: keep-alive, Upgrade", "Upgrade: websocket"],
    "any": ["Upgrade: x", "Connection: upgrade"],
}


@pytest.mark.parametrize("wish", _WISHES.values(), ids=_WISHES)
@pytest.mark.parametrize("pieces", [1, 2])
def test_who_would_like_to_speak_another_protocol_is_answered_in_this_one(
    door: Served, fleet: Fleet, engine: str, wish: list[str], pieces: int
) -> None:
    fleet.ready_run(engine)
    with wire(door) as connection:
        whole = request(_CHAT, json.dumps(chat("hello")).encode(), *wish, *["Expect: 100-continue"] * (pieces - 1))
        head, _, body = whole.partition(b"\r\n\r\n")
        if pieces == 2:
            connection.sendall(head + b"\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
            connection.sendall(body + _LAST)
        else:
            connection.sendall(whole + _LAST)
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"hello" in said
    assert said.count(b"HTTP/1.1 200") == 2


@pytest.mark.parametrize("wish", _WISHES.values(), ids=_WISHES)
@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunks"])
def test_what_hides_in_a_body_for_another_protocol_is_not_answered(
    door: Served, wish: list[str], chunked: bool
) -> None:
    framing = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(_HIDDEN)}"
    head = "\r\n".join([f"POST {_CHAT} HTTP/1.1", "Host: localhost", "Expect: 100-continue", framing, *wish, "", ""])
    with wire(door) as connection:
        connection.sendall(head.encode())
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall((b"%x\r\n%s\r\n0\r\n\r\n" % (len(_HIDDEN), _HIDDEN) if chunked else _HIDDEN) + _LAST)
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 2
    assert b'"data":[' not in said


def test_nobody_reaches_another_server_from_here(door: Served) -> None:
    with wire(door) as connection:
        head = b"CONNECT http://localhost/v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        connection.sendall(head % len(_HIDDEN) + _HIDDEN)
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


_CHUNKED = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" % _CHAT.encode()


def test_what_comes_after_a_body_is_no_header(door: Served) -> None:
    with wire(door) as connection:
        connection.sendall(_CHUNKED + b"X-Request-Id: from-behind\r\nHost: evil.example\r\n\r\n" + _LAST)
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"from-behind" not in said


@pytest.mark.parametrize("piece", [b"a: b\r\n", b"a"], ids=["many", "one"])
def test_what_comes_after_a_body_has_an_end(door: Served, piece: bytes) -> None:
    with wire(door) as connection:
        connection.sendall(_CHUNKED + piece * (1_000_000 // len(piece)))
        said = rest(connection)
    assert not said or said.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_client_that_knows_no_chunks_is_sent_none(door: Served, fleet: Fleet, engine: str, stream: bool) -> None:
    fleet.ready_run(engine)
    body = json.dumps(chat("hello", stream=stream)).encode()
    with wire(door) as connection:
        connection.sendall(request(_CHAT, body, "Connection: keep-alive").replace(b"HTTP/1.1", b"HTTP/1.0"))
        head, _, said = rest(connection).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert b"connection: close" in head.lower()
    if stream:
        assert said.startswith(b"data: {")
        assert said.endswith(b"data: [DONE]\n\n")
    else:
        assert json.loads(said)["choices"][0]["message"]["content"] == "hello"


@pytest.mark.parametrize(
    "header",
    ["X-Forwarded-For: 127.0.0.1", "X-Real-IP: 127.0.0.1", "Forwarded: for=127.0.0.1", "X-Forwarded-User: root"],
)
def test_who_says_that_it_comes_from_this_machine_is_asked_for_a_key_all_the_same(
    open_door: Opener, header: str
) -> None:
    door = open_door(require_keys=True)
    name, value = header.split(": ")
    for path in ("/v1/jobs", "/v1/keys", "/api/tags", "/metrics"):
        assert door.get(path, headers={name: value}).status_code == 401


@pytest.mark.parametrize("header", ["X-Forwarded-Host", "X-Original-Host", "X-HTTP-Method-Override", "X-Original-URL"])
def test_no_other_header_stands_for_host_path_or_method(door: Served, header: str) -> None:
    answer = door.get("/v1/keys", headers={header: "POST" if "Method" in header else "/health"})
    assert (answer.status_code, answer.json()["data"]) == (200, [])
    assert door.get("/v1/keys", headers={"Host": "evil.example", header: "localhost"}).status_code == 400
