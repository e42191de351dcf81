"""Calls out of the JSON of an engine that was made to call, in every dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gateway.dialects import anthropic, ollama_chat, openai_chat, openai_responses
from api.gateway.exchange import Exchange
from api.gateway.forced_call import CallReader, ForcedCall
from api.gateway.ollama.request import chat_of
from api.gateway.pieces import Answer
from shared.requests import CHAT

_SCHEMA = {"type": "object", "properties": {"at": {"type": "string"}}}
_TOOL = {"type": "function", "function": {"name": "look", "parameters": _SCHEMA}}
_HELLO = [{"role": "user", "content": "hello"}]
_JSON = '{ "name"\n: "look", "arguments": {"at": "h{e\\"r}e", "deep": {"a": [1, {}]}} }'
_ARGUMENTS = {"at": 'h{e"r}e', "deep": {"a": [1, {}]}}
_NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=5)
_VALUES = st.recursive(
    st.integers() | _NAMES,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_NAMES, inner, max_size=2),
    max_leaves=4,
)


def read(*texts: str) -> Answer:
    reader, answer = CallReader(), Answer()
    for piece in [piece for text in texts for piece in reader.feed(text)] + reader.end():
        answer.add(piece)
    return answer


def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).encode()


@given(
    st.lists(st.tuples(_NAMES, st.dictionaries(_NAMES, _VALUES, max_size=3)), min_size=1, max_size=3),
    st.integers(1, 7),
    st.sampled_from([None, 1]),
)
def test_calls_are_read_however_they_are_written_and_cut(
    calls: list[tuple[str, dict[str, Any]]], step: int, indent: int | None
) -> None:
    written = [{"name": name, "arguments": arguments} for name, arguments in calls]
    text = json.dumps(written if len(written) > 1 else written[0], indent=indent, ensure_ascii=False)
    found = read(*(text[start : start + step] for start in range(0, len(text), step)))
    assert [(call.name, json.loads(call.arguments)) for call in found.calls] == calls
    assert [call.index for call in found.calls] == list(range(len(calls)))
    assert not found.text
    assert len({call.id for call in found.calls}) == len(calls)


@pytest.mark.parametrize("text", ["hello", "  no {call}", '{"other": 1}', "[1, 2]", '{"name": "look"'])
def test_what_is_no_call_is_text(text: str) -> None:
    assert read(*text).text.strip() == text.strip()
    assert not read(text).calls


def test_what_was_cut_off_is_told_as_far_as_it_goes() -> None:
    [call] = read('{"name": "look", "arguments": {"at": "he').calls
    assert (call.name, call.arguments) == ("look", '{"at": "he')


def test_names_come_before_arguments() -> None:
    mend = ForcedCall()
    events = [chunk({"role": "assistant", "content": None}), *(chunk({"content": letter}) for letter in _JSON)]
    told = [json.loads(one) for event in [*events, chunk({}, "stop")] for one in mend.chunk(event)]
    deltas = [one["choices"][0]["delta"] for one in told]
    first, *rest = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert (first["index"], first["type"], first["function"]["name"]) == (0, "function", "look")
    assert first["id"]
    assert len(rest) > 20, "arguments are told as they come"
    assert all(set(piece) == {"index", "function"} for piece in rest)
    assert json.loads("".join(piece["function"]["arguments"] for piece in [first, *rest])) == _ARGUMENTS
    assert deltas[0] == {"role": "assistant", "content": None}
    assert told[-1]["choices"][0] == {"index": 0, "delta": {}, "finish_reason": "stop"}


def test_a_whole_answer_becomes_a_call() -> None:
    whole = {"choices": [{"message": {"role": "assistant", "content": _JSON}, "finish_reason": "stop"}]}
    [choice] = ForcedCall().whole(whole)["choices"]
    assert choice["message"]["content"] is None
    [call] = choice["message"]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "look")
    assert json.loads(call["function"]["arguments"]) == _ARGUMENTS


def test_an_engine_that_calls_by_itself_is_left_alone() -> None:
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    whole = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    assert ForcedCall().whole(whole)["choices"][0]["message"]["tool_calls"] == [call]
    told = json.loads(ForcedCall().chunk(chunk({"tool_calls": [{"index": 0, **call}]}))[0])
    assert told["choices"][0]["delta"]["tool_calls"] == [{"index": 0, **call}]


def _asked() -> dict[str, Exchange]:
    function = {"name": "look", "parameters": _SCHEMA}
    ollama = {"model": "m", "messages": _HELLO, "tools": [_TOOL], "tool_choice": "required"}
    return {
        "openai": openai_chat.read(
            {"model": "m", "messages": _HELLO, "tools": [_TOOL], "tool_choice": "required", "stream": True}
        ),
        "responses": openai_responses.read(
            {
                "model": "m",
                "input": "hello",
                "tools": [{"type": "function", **function}],
                "tool_choice": {"type": "function", "name": "look"},
                "stream": True,
            }
        ),
        "anthropic": anthropic.read(
            {
                "model": "m",
                "messages": _HELLO,
                "max_tokens": 9,
                "tools": [{"name": "look", "input_schema": _SCHEMA}],
                "tool_choice": {"type": "any"},
                "stream": True,
            }
        ),
        "ollama": ollama_chat.exchange_of(ollama, CHAT, chat_of(ollama), "message"),
    }


@pytest.mark.parametrize("dialect", ["openai", "responses", "anthropic", "ollama"])
def test_every_dialect_makes_the_model_call(dialect: str) -> None:
    exchange = _asked()[dialect]
    assert exchange.body["response_format"]["type"] == "json_schema"
    said = {"choices": [{"message": {"content": _JSON}, "finish_reason": "stop"}]}
    whole = json.dumps(exchange.whole(said))
    assert exchange.writer is not None
    writer = exchange.writer()
    streamed = writer.feed([chunk({"content": letter}) for letter in _JSON] + [chunk({}, "stop")]) + writer.end()
    for told in (whole, streamed.decode()):
        close = told.replace('": ', '":')
        marks = {
            "openai": ('"tool_calls":', '"finish_reason":"tool_calls"'),
            "responses": ('"function_call"', '"call_id"'),
            "anthropic": ('"tool_use"', '"stop_reason":"tool_use"'),
            "ollama": ('"tool_calls"', '"arguments":{'),
        }[dialect]
        assert all(mark in close for mark in marks)
