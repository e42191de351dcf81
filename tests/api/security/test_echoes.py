"""What a client sends and we give back, in a header or a log line, can mean nothing there but itself."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest

from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.security.test_scopes import key
from tests.api.security.wire import request, rest, wire
from tests.api.served import Served
from tests.api.test_gateway import chat

_CHAT = "/v1/chat/completions"
_ODD = ["a\r\nSet-Cookie: a=b", "a\nevent: error\n\n", "\x00", "é", "☃", "a" * 201, "a" * 3000]
_FINE = ["a" * 200, "Set-Cookie:a", "a:b/c+d_e.f-g"]


def form(name: bytes, content_type: bytes) -> bytes:
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="' + name + b'"\r\n'
    return head + b"Content-Type: " + content_type + b"\r\n\r\nx\r\n--b--\r\n"


_NAMES = [b"a.txt", b'a"; x="y', "ü☃.txt".encode(), b"..\\..\\a", b"\x01\x7f", b"\xff"]
_TYPES = [b"text/\x01", b"t\xe9xt/x", "☃/x".encode(), b"a" * 400, b"a/b; c=\x7f", b"text/html; charset=utf-8"]


@pytest.mark.parametrize(
    ("name", "content_type"), [*((name, b"a/b") for name in _NAMES), *((b"a", each) for each in _TYPES)], ids=repr
)
def test_a_file_comes_back_whatever_it_is_called(door: Served, name: bytes, content_type: bytes) -> None:
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    sent = door.client.post("/v1/files", content=form(name, content_type), headers=headers)
    if sent.status_code == 400:
        return
    assert sent.status_code == 200, sent.text
    answer = door.get(f"/v1/files/{sent.json()['id']}/content")
    assert (answer.status_code, answer.content) == (200, b"x")
    assert answer.headers["content-disposition"].isascii()


@pytest.mark.parametrize("name", [*_ODD, *_FINE], ids=lambda name: repr(name[:20]))
@pytest.mark.parametrize("stream", [False, True])
def test_a_models_name_breaks_no_header_and_no_event(
    door: Served, fleet: Fleet, engine: str, name: str, stream: bool
) -> None:
    fleet.ready_run(engine)
    named = door.client.put(f"/v1/models/aliases/{quote(name, safe='')}", json={"model": "echo"})
    assert named.status_code in ((200,) if name in _FINE else (404, 422)), named.text
    headers = key(door, limits={"requests/day": 9})
    answer = door.post(_CHAT, chat("x", stream=stream) | {"model": name}, headers=headers)
    assert answer.status_code in ((200,) if name in _FINE else (400, 404)), answer.text
    assert "set-cookie" not in answer.headers
    if stream and name in _FINE:
        lines = [line for line in answer.text.split("\n") if line]
        assert lines[-1] == "data: [DONE]"
        assert all(line.startswith(("data: ", ":")) for line in lines)


@pytest.mark.parametrize("odd", ["a\r\nSet-Cookie: a=b", "a" * 100, "☃", "../x", ""])
def test_a_requests_own_name_is_taken_only_when_it_is_plain(door: Served, odd: str) -> None:
    with wire(door) as connection:
        connection.sendall(
            request("/v1/nothing", b"{}", f"x-request-id: {odd}".encode().decode("latin-1"), "Connection: close")
        )
        head = rest(connection).partition(b"\r\n\r\n")[0].lower()
    assert b"\r\nset-cookie" not in head
    assert b"x-request-id: req_" in head or odd.startswith("a\r\n")


def test_what_was_refused_is_logged_without_its_secrets(open_door: Opener, capfd: pytest.CaptureFixture[str]) -> None:
    door, secret = open_door(require_keys=True), "ck_secret_that_is_nowhere"
    for header in ({"Authorization": f"Bearer {secret}"}, {"x-api-key": secret}, {"Authorization": f"Basic {secret}"}):
        for path in ("/v1/jobs", _CHAT, "/worker/v1/sync"):
            answer = door.post(path, {}, headers=header)
            assert secret not in answer.text
    with wire(door) as connection:
        connection.sendall(f"GET / HTTP/1.1\r\nAuthorization: Bearer {secret}\r\n\x00: {secret}\r\n\r\n".encode())
        assert secret.encode() not in rest(connection)
    said = capfd.readouterr()
    assert secret not in said.out + said.err


@pytest.mark.parametrize("place", ["query", "path", "cookie"])
def test_a_key_counts_only_in_its_header(open_door: Opener, place: str) -> None:
    open_first = open_door()
    secret = open_first.post("/v1/keys", {"name": "x", "role": "admin"}).json()["key"]
    door = open_door(require_keys=True)
    path = {"query": f"/v1/jobs?api_key={secret}", "path": f"/v1/jobs/{secret}", "cookie": "/v1/jobs"}[place]
    headers = {"Cookie": f"key={secret}"} if place == "cookie" else {}
    assert door.get(path, headers=headers).status_code == 401
    assert door.get("/v1/jobs", headers={"Authorization": f"Bearer {secret}"}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8400", "localhost.evil.example", "127.0.0.1.evil.example", "", "[::1"]
)
def test_a_page_that_calls_us_by_another_name_gets_nothing(door: Served, host: str) -> None:
    with wire(door) as connection:
        connection.sendall(f"GET /v1/jobs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        said = rest(connection)
    assert said.startswith(b"HTTP/1.1 400 "), said
    assert json.loads(said.partition(b"\r\n\r\n")[2])["error"]["code"] == "bad_request"


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "file://", "http://localhost.evil.example"])
def test_a_page_of_somebody_else_changes_nothing(door: Served, origin: str) -> None:
    for path in (_CHAT, "/v1/keys", "/v1/jobs", "/api/pull"):
        assert door.post(path, {"name": "x", "model": "echo"}, headers={"Origin": origin}).status_code == 403
    assert door.get("/v1/keys").json()["data"] == []
