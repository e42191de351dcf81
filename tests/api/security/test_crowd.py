"""However many connect, file descriptors are left: who comes too many is told so, and nobody else notices."""

from __future__ import annotations

import json
import resource
import select
import shutil
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

import httpx2
import pytest

from api.crowd import BoundedProtocol, bounded
from shared.settings import Settings
from tests.api.conftest import Opener
from tests.api.process import Process
from tests.api.security.test_tls import Authority
from tests.api.security.wire import request, rest, wire
from tests.api.served import Served
from tests.ports import own_port
from tests.waiting import eventually

_MOST = 8


class Small(BoundedProtocol):
    most: ClassVar[int] = _MOST


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def door(open_door: Opener) -> Served:
    return open_door(protocol=Small, host_name="studio")


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat"])
def test_who_comes_too_many_is_told_when_to_come_back(door: Served, path: str) -> None:
    with ExitStack() as stack:
        assert door.get("/health").status_code == 200, "this connection stays open"
        for _ in range(_MOST - 1):
            connection = stack.enter_context(wire(door))
            connection.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        with wire(door) as late:
            late.sendall(request(path, b"{}"))
            head, _, said = rest(late).partition(b"\r\n\r\n")
        assert head.startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 529 "))
        assert b"\r\nretry-after: 1" in head.lower()
        assert "too many connections" in json.dumps(json.loads(said))
        assert door.get("/health").status_code == 200, "who was there before is still served"
    eventually(lambda: httpx2.get(f"{door.url}/health", timeout=60, trust_env=False).status_code == 200)


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_a_crowd_that_says_nothing_takes_no_more_than_its_share(
    sqlite_template: Path, tmp_path: Path, authority: Authority, tls: bool
) -> None:
    certificate: dict[str, Any] = authority.vouch("door") if tls else {}
    settings = Settings(home=tmp_path / "home", port=own_port(), connections=_MOST, **certificate)
    settings.state_dir.mkdir(parents=True)
    shutil.copyfile(sqlite_template, settings.state_dir / "cidermill.db")
    with Process(settings) as process, ExitStack() as stack:
        eventually(lambda: process.answers("/health"), within=60)

        def come() -> socket.socket:
            return stack.enter_context(socket.create_connection((settings.host, settings.port)))

        crowd = [come() for _ in range(_MOST + BoundedProtocol.told + 5)]
        # Who is turned away has something to read: the end.
        eventually(lambda: len(select.select(crowd, [], [], 0)[0]) >= 5)
        for one in crowd:
            one.close()
        eventually(lambda: process.answers("/health"))


def test_there_are_never_more_connections_than_descriptors() -> None:
    room = bounded(10**9).most
    assert 2 * room < resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert bounded(5).most == 5
    assert bounded(None).most == min(2000, room)
