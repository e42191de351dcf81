"""Whatever stands where an id belongs, in whatever route: it names nothing that is there, and the answer says so."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared import protocol
from tests.api.fleet import Fleet
from tests.api.security.routes import Route, routes
from tests.api.served import Served
from tests.fuzz.routes import is_anthropic, is_ollama, is_openai, is_own

_TRICKS = {
    "paths": [
        *("..", ".", "%2e%2e", "%2e", "..%2f..%2f..%2fetc%2fpasswd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "..%5c..%5cetc"),
        *("../../../../etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "%252e%252e%252f", "file:///etc/passwd"),
    ],
    "bytes": [
        *("%00", "file_%00.txt", "%0d%0aSet-Cookie:%20a=b", "%0a", "%7f", "%1b[31m", "%20", "%", "%zz", "%ff%fe"),
        *("%ed%a0%80", "%f0%9f%98%80", "%e2%80%ae", "%c0%ae%c0%ae%c0%af", "caf%c3%a9"),
    ],
    "words": [
        *("a" * 5000, "'--", "%22%3e%3cscript%3e", "*", "{}", "null", "0", "-1", "9" * 40),
        *("sha256:" + "0" * 64, "sha256:../../a"),
    ],
}
_SHAPES: dict[str, Callable[[Any], bool]] = {
    "/v1/messages": is_anthropic,
    "/anthropic/": is_anthropic,
    "/api/": is_ollama,
    "/v1/batches": is_openai,
    "/v1/responses": is_openai,
    "/": is_own,
}


@pytest.fixture
def host(door: Served) -> Fleet:
    fleet = Fleet(door, "studio")
    fleet.register()
    return fleet


@pytest.fixture
def connection(door: Served) -> Iterator[HTTPConnection]:
    """Sends paths as they are; other clients put them right first."""
    made = HTTPConnection(urlsplit(door.url).netloc, timeout=30)
    yield made
    made.close()


@pytest.mark.parametrize("tricks", _TRICKS)
def test_a_trick_in_an_id_finds_nothing_in_any_route(
    door: Served, host: Fleet, connection: HTTPConnection, tmp_path: Path, tricks: str
) -> None:
    before = _files(tmp_path)
    wrong = []
    for route in routes(door.app):
        for trick in _TRICKS[tricks] if "{" in route.path else ():
            path = re.sub(r"\{[^}]*\}", lambda _, trick=trick: trick, route.path)  # type: ignore[misc]
            wrong += [f"{route} {trick[:24]}: {why}" for why in _asked(connection, host, route, path)]
    assert wrong == []
    assert _files(tmp_path) == before


def _files(folder: Path) -> set[Path]:
    """All but the database's own, which come and go, and the mark of the file store."""
    own = ("cidermill.db", ".cidermill")
    return {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(own)}


def _asked(connection: HTTPConnection, host: Fleet, route: Route, path: str) -> Iterator[str]:
    """What is wrong with the answer."""
    headers = {"Content-Type": "application/json"}
    if path.startswith("/worker/"):
        headers |= {"Authorization": f"Bearer {host.token}", protocol.HEADER: str(protocol.VERSION)}
    body = None if route.method in ("GET", "HEAD") else b"{}"
    connection.request(route.method, path, body, headers)
    answer = connection.getresponse()
    said = answer.read()
    if answer.status >= 500 or 300 <= answer.status < 400:
        yield f"{answer.status} {said[:200]!r}"
    if b"root:" in said or answer.getheader("set-cookie") is not None:
        yield f"it tells {said[:200]!r}"
    if answer.status >= 400 and said and not _shape(path)(json.loads(said)):
        yield f"it has another shape: {said[:200]!r}"


def _shape(path: str) -> Callable[[Any], bool]:
    return _SHAPES[max((prefix for prefix in _SHAPES if path.startswith(prefix)), key=len)]
