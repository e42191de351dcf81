"""Requests that are nested so deep that they can be read, and not be written again."""

from __future__ import annotations

import pytest

from tests.api.fleet import Fleet
from tests.api.served import Served

_CHAT = '"messages": [{"role": "user", "content": "hi"}], "max_tokens": 9'


@pytest.mark.parametrize(
    ("path", "before"),
    [
        ("/v1/chat/completions", _CHAT + ', "odd": '),
        ("/v1/chat/completions", _CHAT + ', "stream": true, "odd": '),
        ("/v1/completions", '"prompt": '),
        ("/api/chat", _CHAT + ', "tools": '),
    ],
)
def test_however_deep_a_request_is_nested_it_is_no_failure_of_ours(
    door: Served, fleet: Fleet, engine: str, path: str, before: str
) -> None:
    fleet.ready_run(engine)
    told = set()
    for depth in range(700, 1000, 6):
        content = '{"model": "echo", ' + before + "[" * depth + "]" * depth + "}"
        answer = door.client.post(path, content=content)
        told.add(answer.status_code)
        assert answer.status_code < 500, (depth, answer.text)
    assert 400 in told
