"""Events of engines: which of them end an answer, and in which form errors come."""

from __future__ import annotations

import json

import pytest

from api.gateway.engine_events import EngineEvents


@pytest.mark.parametrize(
    ("said", "ended"),
    [
        (b"data: [DONE]\r\n\r\n", True),
        (b'data: {"choices":[{"finish_reason":"stop"}]}\n\n', True),
        (b'data: {"choices": [{"finish_reason" : "length"}]}\n\n', True),
        (b'data: {"choices":[{"finish_reason":null}]}\n\n', False),
        (b'data: {"choices": [{"finish_reason": null}]}\n\n', False),
        (b'data: {"choices": [{"text": "\\"finish_reason\\": \\"stop\\""}]}\n\n', False),
        (b"data: [DONE]", False),
        (b": [DONE]\n\n", False),
        (b"", False),
    ],
)
def test_an_answer_has_ended_once_the_engine_says_so(said: bytes, ended: bool) -> None:
    events = EngineEvents()
    events.feed(said)
    assert events.ended == ended
    events.feed(b'\ndata: {"choices":[],"usage":{}}\n\n')
    assert events.ended == (ended or said == b"data: [DONE]"), "what follows does not change it"


@pytest.mark.parametrize("said", ['{"message": "no"}', '{"error": {"message": "no"}}'])
def test_errors_in_lines_of_their_own_are_chunks(said: str) -> None:
    [payload] = EngineEvents().feed(f"error: {said}\n\n".encode())
    assert json.loads(payload) == {"error": {"message": "no"}}
