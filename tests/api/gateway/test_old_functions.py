"""Functions in the words of clients that know no tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.dialects.openai_chat import read
from shared.errors import InvalidParameters

_HELLO = {"role": "user", "content": "hello"}
_LOOK = {"name": "look", "parameters": {"type": "object"}}
_CALL = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}


def asked(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [_HELLO], "functions": [_LOOK]} | more


@pytest.mark.parametrize(("choice", "sent"), [(None, None), ("auto", "auto"), ("none", "none")])
def test_functions_are_asked_for_as_tools(choice: Any, sent: Any) -> None:
    body = read(asked(function_call=choice)).body
    assert body["tools"] == [{"type": "function", "function": _LOOK}]
    assert (body.get("tool_choice"), body["parallel_tool_calls"]) == (sent, False)
    assert not {"functions", "function_call"} & set(body)


def test_one_function_may_have_to_be_called() -> None:
    assert read(asked(function_call={"name": "look"})).body["response_format"]["type"] == "json_schema"
    for wrong in ("look", {"name": 3}, {"name": "other"}):
        with pytest.raises(InvalidParameters):
            read(asked(function_call=wrong))


def test_earlier_calls_and_results_find_each_other() -> None:
    calls = {"role": "assistant", "content": None, "function_call": _CALL["function"]}
    result = {"role": "function", "name": "look", "content": "seen"}
    _, said, seen, _ = read(asked(messages=[_HELLO, calls, result, _HELLO])).body["messages"]
    assert said["tool_calls"] == [_CALL | {"id": "call_1"}]
    assert (seen["role"], seen["tool_call_id"], seen["content"]) == ("tool", "call_1", "seen")


def test_an_answer_is_told_in_the_old_words() -> None:
    said = {"choices": [{"message": {"content": None, "tool_calls": [_CALL, _CALL]}, "finish_reason": "tool_calls"}]}
    whole = read(asked()).whole(said)
    assert isinstance(whole, dict)
    [choice] = whole["choices"]
    assert (choice["message"]["function_call"], choice["finish_reason"]) == (_CALL["function"], "function_call")
    assert "tool_calls" not in choice["message"]


def test_a_stream_is_told_in_the_old_words() -> None:
    def chunk(reason: str | None = None, **delta: Any) -> bytes:
        return json.dumps({"choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}).encode()

    make = read(asked(stream=True)).writer
    assert make is not None
    writer = make()
    first = {"index": 0, "id": "a", "type": "function", "function": {"name": "look", "arguments": ""}}
    events = [
        chunk(tool_calls=[first]),
        chunk(tool_calls=[{"index": 0, "function": {"arguments": "{}"}}]),
        chunk("tool_calls"),
    ]
    blocks = (writer.feed(events) + writer.end()).decode().strip().split("\n\n")[:-1]
    told = [json.loads(block.removeprefix("data: "))["choices"][0] for block in blocks]
    assert told[0]["delta"]["function_call"] == {"name": "look", "arguments": ""}
    assert told[1]["delta"]["function_call"] == {"arguments": "{}"}
    assert told[-1]["finish_reason"] == "function_call"


def test_who_gives_tools_is_told_in_todays_words() -> None:
    said = {"choices": [{"message": {"content": None, "tool_calls": [_CALL]}, "finish_reason": "tool_calls"}]}
    whole = read(asked(tools=[{"type": "function", "function": _LOOK}])).whole(said)
    assert isinstance(whole, dict)
    assert whole["choices"][0]["message"]["tool_calls"] == [_CALL]
