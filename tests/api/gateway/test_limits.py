"""How a key stands, told by each dialect in its own headers."""

from __future__ import annotations

import pytest

from api import shapes
from api.gateway.dialects import routers
from shared.quotas import Standing

_NOW = 1_795_248_000.4
_OPENAI = {"x-ratelimit-limit-tokens": "9", "x-ratelimit-remaining-tokens": "4", "x-ratelimit-reset-tokens": "60s"}
_ANTHROPIC = {
    "anthropic-ratelimit-tokens-limit": "9",
    "anthropic-ratelimit-tokens-remaining": "4",
    "anthropic-ratelimit-tokens-reset": "2026-11-21T08:01:00Z",
}


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/v1/chat/completions", _OPENAI),
        ("/v1/messages", _ANTHROPIC),
        ("/anthropic/v1/messages", _ANTHROPIC),
        ("/api/chat", _OPENAI),
        ("/v1/rerank", _OPENAI),
    ],
)
def test_each_dialect_tells_limits_in_its_own_headers(path: str, headers: dict[str, str]) -> None:
    assert routers()
    told = shapes.of(path).limits({"tokens": Standing("tokens per minute", 9, 4, 60.0)}, _NOW)
    assert told == headers
