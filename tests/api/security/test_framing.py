"""A request whose end could be read in two ways is not read at all: what follows it is nobody's second request."""

from __future__ import annotations

import pytest

from tests.api.conftest import Opener
from tests.api.security.wire import rest, wire
from tests.api.served import Served

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
