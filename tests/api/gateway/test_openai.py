"""OpenAI's dialect: what engines leave out is filled in, what strict clients break on is taken out."""

from __future__ import annotations

import base64
import json
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gateway.dialects import openai_chat, openai_embeddings
from api.gateway.engine_events import EngineEvents


def chunk(delta: dict[str, Any], reason: str | None = None, **more: Any) -> bytes:
    return json.dumps({"choices": [{"delta": delta, "finish_reason": reason}], **more}).encode()


def read(written: bytes) -> list[dict[str, Any]]:
    blocks = written.decode().strip().split("\n\n")
    assert blocks.pop() == "data: [DONE]"
    return [json.loads(block.removeprefix("data: ")) for block in blocks]


def streamed(*events: bytes, usage: bool = False) -> list[dict[str, Any]]:
    writer = openai_chat.ChunkWriter(usage)
    return read(writer.feed(events) + writer.end())


def test_the_role_comes_once_and_every_chunk_has_its_index() -> None:
    said = streamed(chunk({"role": "assistant", "content": "a"}), chunk({"role": "assistant", "content": "b"}))
    first, second = {"role": "assistant", "content": "a"}, {"content": "b"}
    assert [one["choices"][0]["delta"] for one in said] == [first, second, {}]
    assert all(one["choices"][0]["index"] == 0 for one in said)
    assert all(one["object"] == "chat.completion.chunk" for one in said)


def test_each_choice_says_its_role_once() -> None:
    def of(index: int, **delta: str) -> bytes:
        return json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": None}]}).encode()

    writer = openai_chat.ChunkWriter(usage=False, choices=2)
    events = [
        of(1, role="assistant"),
        of(0, role="assistant"),
        of(1, content="b", role="assistant"),
        of(0, content="a"),
    ]
    said = read(writer.feed(events) + writer.end())
    assert [one["choices"][0]["delta"].get("role") for one in said] == ["assistant", "assistant", None, None, None]


def test_the_role_comes_first_when_the_engine_never_says_it() -> None:
    said = streamed(chunk({"content": "a"}), chunk({}, "stop"))
    assert said[0]["choices"][0]["delta"]["role"] == "assistant"
    assert said[1]["choices"][0] == {"delta": {}, "finish_reason": "stop", "index": 0}


_USED = {"prompt_tokens": 1}


@pytest.mark.parametrize("asked", [True, False])
@pytest.mark.parametrize(
    "ends",
    [
        [json.dumps({"usage": _USED}).encode()],
        [json.dumps({"choices": [], "usage": _USED}).encode()],
        [chunk({}, "stop", usage=_USED)],
        [chunk({}, "stop", usage=None), json.dumps({"choices": [], "usage": _USED}).encode()],
        [chunk({}, "stop", usage=_USED), json.dumps({"choices": [], "usage": _USED}).encode()],
    ],
)
def test_usage_comes_last_and_only_when_it_was_asked_for(asked: bool, ends: list[bytes]) -> None:
    said = streamed(chunk({"content": "a"}), *ends, usage=asked)
    assert ["usage" in one for one in said] == [False, False, *[True] * asked]
    assert [len(one["choices"]) for one in said] == [1, 1, *[0] * asked]
    assert [one["usage"] for one in said[2:]] == [_USED] * asked


def test_choices_that_are_counted_as_each_ends_have_one_end_each_and_one_count() -> None:
    def of(index: int, reason: str | None = None, **delta: str) -> bytes:
        return json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": reason}]}).encode()

    usage = json.dumps({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 2}}).encode()
    events = [of(0, content="a"), of(1, content="b"), of(1, "length"), usage, of(0, content="c"), of(0, "stop"), usage]
    writer = openai_chat.ChunkWriter(usage=True, choices=2)
    said = read(writer.feed(events) + writer.end())
    ends = [(c["index"], c["finish_reason"]) for one in said for c in one["choices"] if c["finish_reason"]]
    assert ends == [(1, "length"), (0, "stop")]
    counted = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
    assert [one["usage"] for one in said if "usage" in one] == [counted]


def test_an_answer_that_the_engine_just_stops_ends_before_its_usage() -> None:
    last = json.dumps({"choices": [], "usage": {"prompt_tokens": 1}}).encode()
    events = (chunk({"content": "a"}, model="m"), chunk({}))
    for told in (events, (*events, last)):
        ended = streamed(*told, usage=True)[2]
        assert ended["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}]


@pytest.mark.parametrize(("engine", "client"), [("tool_call", "tool_calls"), ("eos", "stop"), ("length", "length")])
def test_reasons_are_openais(engine: str, client: str) -> None:
    call = {"id": "t", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    message = {"tool_calls": [call]} if client == "tool_calls" else {"content": "a"}
    said = {"choices": [{"message": message, "finish_reason": engine}]}
    exchange = openai_chat.read({"model": "m", "messages": [{"role": "user", "content": "a"}], "stream": True})
    assert exchange.writer is not None
    writer = exchange.writer()
    told = read(writer.feed([chunk(message), chunk({}, engine)]) + writer.end())
    assert told[-1]["choices"][0]["finish_reason"] == client
    whole = exchange.whole(said)
    assert isinstance(whole, dict)
    assert whole["choices"][0]["finish_reason"] == client


def test_a_fingerprint_is_never_null() -> None:
    for said in streamed(chunk({"content": "a"}, system_fingerprint=None)):
        assert "system_fingerprint" not in said


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1), min_size=1), st.integers(1, 40))
def test_a_stream_may_be_cut_anywhere(texts: list[str], step: int) -> None:
    sent = b": hello\n\n" + b"".join(b"data: " + json.dumps(text).encode() + b"\n\n" for text in texts)
    sent += b"data: [DONE]\n\n"
    events, got = EngineEvents(), list[bytes]()
    for start in range(0, len(sent), step):
        got += events.feed(sent[start : start + step])
    assert [json.loads(payload) for payload in got] == texts


def test_vectors_come_as_numbers_or_as_little_endian_floats() -> None:
    said = {"data": [{"index": 0, "embedding": [0.5, -2.0]}], "usage": {"prompt_tokens": 3}}
    numbers = openai_embeddings.read({"model": "m", "input": "x"}).whole(said)
    packed = openai_embeddings.read({"model": "m", "input": "x", "encoding_format": "base64"}).whole(said)
    assert isinstance(numbers, dict)
    assert isinstance(packed, dict)
    assert numbers["data"][0]["embedding"] == [0.5, -2.0]
    assert struct.unpack("<2f", base64.b64decode(packed["data"][0]["embedding"])) == (0.5, -2.0)
    assert numbers["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
