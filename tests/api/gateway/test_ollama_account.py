"""Ollama's account routes, where nobody has one."""

from __future__ import annotations

import pytest

from tests.api.served import Served

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [
        ("POST", "/api/me", "unauthorized"),
        ("POST", "/api/signout", "you are not currently signed in"),
        ("DELETE", "/api/user/keys/abc", "you are not currently signed in"),
    ],
)
def test_nobody_is_signed_in(door: Served, method: str, path: str, error: str) -> None:
    answer = door.client.request(method, path)
    assert (answer.status_code, answer.json()) == (401, {"error": error})
