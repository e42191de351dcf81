"""What OpenAI's two streams of choices have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.choice_stream import ChoiceStream
from api.gateway.dialects.openai_chat import ChunkWriter, OldChunkWriter
from api.gateway.dialects.openai_completions import TextWriter

_SAID = {"content": "a"}
_USED = {"prompt_tokens": 1}
_ERROR = {"error": {"message": "the engine broke"}}


def chunk(**more: Any) -> bytes:
    """A piece of the first choice; text for one dialect, a delta for the other."""
    choice = {"index": 0, "text": "a", "delta": _SAID, "finish_reason": None}
    return json.dumps({"id": "x", "choices": [choice], **more}).encode()


def read(written: bytes) -> list[dict[str, Any]]:
    *events, done = written.decode().strip().split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


@pytest.fixture(params=[ChunkWriter, OldChunkWriter, TextWriter])
def stream(request: pytest.FixtureRequest) -> ChoiceStream:
    made: ChoiceStream = request.param(usage=True)
    return made


def test_nothing_ends_after_an_error(stream: ChoiceStream) -> None:
    assert read(stream.feed([chunk(), json.dumps(_ERROR).encode()]) + stream.end())[1:] == [_ERROR]


def test_an_end_that_the_engine_does_not_tell_comes_before_the_usage(stream: ChoiceStream) -> None:
    _, end, last = read(stream.feed([chunk(usage=_USED)]) + stream.end())
    assert [(choice["index"], choice["finish_reason"]) for choice in end["choices"]] == [(0, "stop")]
    assert ("usage" in end, last["choices"], last["usage"]) == (False, [], _USED)
    assert end["id"] == last["id"]


def test_a_fingerprint_that_is_null_is_left_out(stream: ChoiceStream) -> None:
    said = read(stream.feed([chunk(system_fingerprint=None), chunk(system_fingerprint=None)]) + stream.end())
    assert len(said) == 3
    assert not any("system_fingerprint" in one for one in said)
