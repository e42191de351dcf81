"""What is turned away at the door: compressed and endless bodies, foreign pages, tricks in names and headers."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator

import pytest

from shared import protocol
from shared.errors import ConfigError
from shared.settings import load_settings
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.security.wire import wire
from tests.api.served import Served
from tests.waiting import eventually

_CHAT = "/v1/chat/completions"


@pytest.mark.parametrize("path", [_CHAT, "/v1/messages", "/api/chat", "/v1/jobs"])
@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate, gzip"])
def test_a_bomb_is_not_unpacked(door: Served, path: str, encoding: str) -> None:
    bomb = gzip.compress(b" " * 10_000_000)
    answer = door.client.post(path, content=bomb, headers={"Content-Encoding": encoding})
    assert answer.status_code == 415
    assert answer.json()["error"]


@pytest.mark.parametrize("path", [_CHAT, "/v1/messages", "/api/chat", "/v1/jobs"])
def test_a_body_without_a_length_is_counted_as_it_comes(door: Served, path: str) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(70):
            yield b" " * 1024 * 1024

    assert door.client.post(path, content=endless()).status_code == 413


@pytest.mark.parametrize("path", [_CHAT, "/v1/messages", "/api/chat", "/v1/jobs"])
@pytest.mark.parametrize("piece", [b"[],", b'{"a":{}},', b"0,"])
def test_what_would_become_too_much_is_not_parsed(door: Served, path: str, piece: bytes) -> None:
    answer = door.client.post(path, content=b'{"messages":[' + piece * 2_000_001 + b"0]}")
    assert answer.status_code == 413
    assert "values" in answer.text


def test_answers_of_engines_may_have_many_values(fleet: Fleet) -> None:
    fleet.keep(fleet.running_job(), {"index": 0, "data": [[0.5] * 1_000] * 2_001})


@pytest.mark.parametrize(
    ("path", "required"),
    [(path, True) for path in (_CHAT, "/v1/messages", "/api/chat", "/v1/jobs", "/v1/files", "/worker/v1/sync")]
    + [("/worker/v1/sync", False)],
)
def test_the_body_of_nobody_we_know_is_not_waited_for(open_door: Opener, path: str, required: bool) -> None:
    door = open_door(require_keys=required)
    with wire(door) as connection:
        head = ["Content-Type: application/json", "Content-Length: 1000", "Cidermill-Protocol: 1", "x-api-key: ck_no"]
        connection.sendall("\r\n".join([f"POST {path} HTTP/1.1", "Host: localhost", *head, "", "{"]).encode())
        assert connection.recv(1024).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize(
    ("name", "may"), [("localhost", True), ("host.docker.internal", True), ("docker.internal.evil.example", False)]
)
def test_containers_may_call_the_front_door_as_they_know_it(door: Served, name: str, may: bool) -> None:
    assert (door.get("/api/tags", headers={"Host": f"{name}:8400"}).status_code == 200) == may


def test_other_pages_are_told_nothing_by_default(door: Served) -> None:
    asked = {"Origin": "https://chat.example", "Access-Control-Request-Method": "POST"}
    assert "access-control-allow-origin" not in door.client.options(_CHAT, headers=asked).headers
    assert "access-control-allow-origin" not in door.get("/health", headers=asked).headers


def test_a_page_that_may_not_call_is_told_how_it_might(door: Served) -> None:
    refused = door.post(_CHAT, {"model": "echo"}, headers={"Origin": "app://obsidian.md"})
    assert refused.status_code == 403
    assert "CIDERMILL_CORS_ORIGINS" in refused.json()["error"]["message"]


@pytest.mark.parametrize("origin", ["*", "null", "https://*", "chat.example", "https://chat.example/", ""])
def test_only_pages_with_a_name_may_be_let_in(origin: str) -> None:
    with pytest.raises(ConfigError, match="cors_origins"):
        load_settings(cors_origins=[origin])


def test_letters_of_a_page_may_be_of_either_case() -> None:
    assert load_settings(cors_origins=["HTTPS://Chat.Example"]).cors_origins == ["https://chat.example"]


def test_pages_that_are_named_may_call(open_door: Opener) -> None:
    named = ["https://chat.example", "app://obsidian.md"]
    door = open_door(cors_origins=named)
    for origin, may in ((named[0], True), (named[1], True), ("https://evil.example", False), ("app://evil", False)):
        asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
        assert ("access-control-allow-origin" in door.client.options(_CHAT, headers=asked).headers) == may
        answer = door.post(_CHAT, {"model": "none"}, headers={"Origin": origin})
        assert (answer.status_code == 403) != may
        # Without it a page reads the answer, but neither `x-request-id` nor `Retry-After`.
        assert answer.headers.get("access-control-expose-headers") == "*" or not may


@pytest.mark.parametrize(
    "path",
    [
        "/v1/files/..%2f..%2fetc%2fpasswd/content",
        "/v1/files/%2e%2e/content",
        "/v1/files/file%00",
        "/v1/jobs/..%2F..",
        "/v1/jobs/%0d%0aSet-Cookie:%20a=b",
        "/v1/runs/%ff%fe",
        "/v1/models/..%2f..%2f",
        "/api/blobs/sha256:..%2f..%2fetc%2fpasswd",
    ],
)
def test_tricks_in_ids_find_nothing(door: Served, path: str) -> None:
    answer = door.get(path)
    assert 400 <= answer.status_code < 500, answer.text
    assert "set-cookie" not in answer.headers


def test_names_that_break_lines_break_no_header(door: Served, fleet: Fleet) -> None:
    form = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a\nSet-Cookie: a=b\n.txt"\r\n\r\nx\r\n--b--\r\n'
    )
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    sent = door.client.post("/v1/files", content=form, headers=headers)
    ref = fleet.running_job()
    made = door.client.post(
        "/worker/v1/files",
        params={**ref.model_dump(), "worker": fleet.worker, "name": "a\r\nSet-Cookie: a=b\r\n.txt"},
        content=b"x",
        headers={"Authorization": f"Bearer {fleet.token}", protocol.HEADER: str(protocol.VERSION)},
    )
    for stored in (sent, made):
        assert stored.status_code == 200, stored.text
        answer = door.get(f"/v1/files/{stored.json()['id']}/content")
        assert (answer.status_code, answer.content) == (200, b"x")
        assert "set-cookie" not in answer.headers
        assert door.get(f"/v1/files/{stored.json()['id']}").json()["filename"] == "aSet-Cookie: a=b.txt"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "file:///etc/passwd", "", "https://example.com/a.png"]
)
@pytest.mark.parametrize("plain", [True, False])
def test_nothing_is_fetched_for_a_request(door: Served, url: str, plain: bool) -> None:
    part = {"type": "image_url", "image_url": url if plain else {"url": url}}
    answer = door.post(_CHAT, {"model": "echo", "messages": [{"role": "user", "content": [part]}]})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "messages.0.content")


def test_a_body_that_never_ends_holds_nothing_when_its_sender_leaves(door: Served) -> None:
    host, port = door.url.removeprefix("http://").split(":")
    head = f"POST {_CHAT} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n{{".encode()
    for _ in range(20):
        with socket.create_connection((host, int(port))) as sender:
            sender.sendall(head)
    eventually(lambda: door.get("/health").status_code == 200)
    assert door.get("/v1/calls").json()["data"] == [], "none of them was counted"
