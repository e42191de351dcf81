"""What engines refuse: a mistake of the asker's, or the engine's own trouble."""

from __future__ import annotations

import json

import pytest

from api.gateway.refusal import refusal


@pytest.mark.parametrize(
    ("status", "message", "read", "code"),
    [
        (400, "invalid grammar", 400, "bad_request"),
        (400, "the request exceeds the available context size", 400, "context_length_exceeded"),
        (500, "image input is not supported - hint: you may need to provide the mmproj", 400, "bad_request"),
        (500, "ggml assertion", 500, "engine_failed"),
        (503, "Loading model", 503, "unavailable"),
    ],
)
def test_who_is_to_blame_decides_the_status(status: int, message: str, read: int, code: str) -> None:
    error = refusal(status, json.dumps({"error": {"message": message}}).encode())
    assert (error.status, error.problem.code, error.problem.why) == (read, code, message)


def test_a_text_that_is_too_long_to_embed_is_its_senders_mistake() -> None:
    said = "input (65 tokens) is too large to process. increase the physical batch size (current batch size: 64)"
    error = refusal(500, json.dumps({"error": {"code": 500, "message": said}}).encode())
    assert (error.status, error.problem.code) == (400, "context_length_exceeded")
    assert error.problem.why == "it has 65 tokens, and the run has a context of 64"
