"""By what address a caller is told to come back."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from api.own_address import own_address

_NAMED = "https://ai.example"


@pytest.mark.parametrize(
    ("scheme", "host", "url", "told"),
    [
        ("http", "studio.local:8400", None, "http://studio.local:8400"),
        ("http", "studio.local:8400", "http://127.0.0.1:8400", "http://studio.local:8400"),
        ("http", "studio.local:8400", _NAMED, "http://studio.local:8400"),
        # A proxy that nobody trusts ends TLS, and passes the name on, or its own name for us.
        ("http", "AI.example", f"{_NAMED}/", _NAMED),
        ("http", "127.0.0.1:8400", _NAMED, _NAMED),
        ("http", "[::1]:8400", _NAMED, _NAMED),
        ("https", "ai.example:8443", _NAMED, "https://ai.example:8443"),
    ],
)
def test_the_address_is_the_callers_own_or_the_configured_one_of_that_host(
    scheme: str, host: str, url: str | None, told: str
) -> None:
    scope = {
        "type": "http",
        "scheme": scheme,
        "server": ("10.0.0.1", 8400),
        "path": "/v1/messages/batches",
        "headers": [(b"host", host.encode())],
    }
    assert own_address(Request(scope), url) == told
