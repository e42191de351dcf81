"""Calls of tools that engines tell in many ways, in every dialect, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from api.gateway.dialects import anthropic, ollama_chat, openai_chat, openai_responses
from api.gateway.exchange import Exchange
from api.gateway.ollama.request import chat_of
from shared.assembly import Assembly
from shared.requests import CHAT

_MESSAGES = [{"role": "user", "content": "hello"}]
#: Name and arguments of each call, and why the answer ended.
Told = tuple[list[tuple[str, Any]], str]


def piece(arguments: str, call_id: str | None = None, name: str | None = None, **more: Any) -> dict[str, Any]:
    """One chunk with one piece of a call."""
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return said({"tool_calls": [({"id": call_id} if call_id else {}) | {"function": function} | more]})


def said(delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"id": "x", "model": "m", "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]}


def exchange_in(dialect: str) -> Exchange:
    match dialect:
        case "openai":
            return openai_chat.read({"model": "m", "messages": _MESSAGES, "stream": True})
        case "responses":
            return openai_responses.read({"model": "m", "input": "hello", "stream": True})
        case "anthropic":
            return anthropic.read({"model": "m", "messages": _MESSAGES, "max_tokens": 9, "stream": True})
        case _:
            asked = {"model": "m", "messages": _MESSAGES}
            return ollama_chat.exchange_of(asked, CHAT, chat_of(asked), "message")


def told_whole(dialect: str, chunks: Sequence[dict[str, Any]]) -> Told:
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(json.loads(json.dumps(chunk)))
    whole = exchange_in(dialect).whole(assembly.response())
    assert not isinstance(whole, bytes)
    match dialect:
        case "openai":
            [choice] = whole["choices"]
            return _functions(choice["message"].get("tool_calls") or ()), choice["finish_reason"]
        case "responses":
            return _items(whole["output"]), whole["status"]
        case "anthropic":
            blocks = [block for block in whole["content"] if block["type"] == "tool_use"]
            return [(block["name"], block["input"]) for block in blocks], whole["stop_reason"]
        case _:
            return _functions(whole["message"].get("tool_calls") or ()), whole["done_reason"]


def told_streamed(dialect: str, chunks: Sequence[dict[str, Any]]) -> Told:
    make = exchange_in(dialect).writer
    assert make is not None
    writer = make()
    written = b"".join([writer.feed([json.dumps(chunk).encode()]) for chunk in chunks]) + writer.end()
    lines = [line.removeprefix("data: ") for line in written.decode().splitlines()]
    events = [json.loads(line) for line in lines if line.startswith("{")]
    match dialect:
        case "openai":
            return _chunks(events)
        case "responses":
            return _response(events)
        case "anthropic":
            return _blocks(events)
        case _:
            calls = [call for line in events for call in line["message"].get("tool_calls") or ()]
            return _functions(calls), events[-1]["done_reason"]


def _chunks(events: Sequence[dict[str, Any]]) -> Told:
    assembly = Assembly()
    for event in events:
        assert event["id"] == "x"
        assembly.add(event)
    reasons = [choice["finish_reason"] for event in events for choice in event["choices"]]
    assert [bool(reason) for reason in reasons] == [False] * (len(reasons) - 1) + [True]
    return _functions(assembly.response()["choices"][0]["message"].get("tool_calls") or ()), reasons[-1]


def _response(events: Sequence[dict[str, Any]]) -> Told:
    """What the events told is what the last one repeats."""
    final = events[-1]["response"]
    arguments: dict[str, str] = {}
    for event in events:
        if event["type"] == "response.function_call_arguments.delta":
            arguments[event["item_id"]] = arguments.get(event["item_id"], "") + event["delta"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == final["output"]
    assert arguments == {item["id"]: item["arguments"] for item in done if item["type"] == "function_call"}
    return _items(final["output"]), final["status"]


def _blocks(events: Sequence[dict[str, Any]]) -> Told:
    """A block is closed before the next is opened."""
    calls: dict[int, list[str]] = {}
    opened: int | None = None
    for event in events:
        match event["type"]:
            case "content_block_start":
                assert opened is None
                opened = event["index"]
                if event["content_block"]["type"] == "tool_use":
                    calls[event["index"]] = [event["content_block"]["name"], ""]
            case "content_block_delta":
                assert opened == event["index"]
                if event["delta"]["type"] == "input_json_delta":
                    calls[event["index"]][1] += event["delta"]["partial_json"]
            case "content_block_stop":
                assert opened == event["index"]
                opened = None
    reason = next(event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta")
    return [(name, json.loads(given)) for name, given in calls.values()], reason


def _items(output: Sequence[dict[str, Any]]) -> list[tuple[str, Any]]:
    return [(item["name"], json.loads(item["arguments"])) for item in output if item["type"] == "function_call"]


def _functions(calls: Sequence[dict[str, Any]]) -> list[tuple[str, Any]]:
    functions = [call["function"] for call in calls]
    given = [(one["name"], one["arguments"]) for one in functions]
    return [(name, json.loads(one) if isinstance(one, str) else one) for name, one in given]


_REASONS = {
    "openai": {"calls": "tool_calls", "stop": "stop", "length": "length"},
    "responses": {"calls": "completed", "stop": "completed", "length": "incomplete"},
    "anthropic": {"calls": "tool_use", "stop": "end_turn", "length": "max_tokens"},
    "ollama": {"calls": "stop", "stop": "stop", "length": "length"},
}
_DIALECTS = pytest.mark.parametrize("dialect", list(_REASONS))


@_DIALECTS
@pytest.mark.parametrize("null", [{}, {"index": None}])
def test_calls_without_numbers_are_told_apart(dialect: str, null: dict[str, Any]) -> None:
    chunks = [
        piece('{"a":', "c0", "look", **null), piece("1}", **null), piece('{"b":2}', "c1", "see", **null),
        said({}, "tool_calls"),
    ]  # fmt: skip
    expected = ([("look", {"a": 1}), ("see", {"b": 2})], _REASONS[dialect]["calls"])
    assert told_whole(dialect, chunks) == told_streamed(dialect, chunks) == expected


@_DIALECTS
@pytest.mark.parametrize(
    ("engine", "calls", "reason"),
    [
        ("stop", True, "calls"), ("eos", True, "calls"), (None, True, "calls"), ("tool_calls", False, "stop"),
        (None, False, "stop"), ("length", True, "length"),
    ],
)  # fmt: skip
def test_an_answer_ends_for_its_calls_and_only_so(dialect: str, engine: str | None, calls: bool, reason: str) -> None:
    begun = piece("{}", "c0", "look", index=0) if calls else said({"content": "a"})
    chunks = [begun, said({}, engine)]
    expected: Told = ([("look", {})] * calls, _REASONS[dialect][reason])
    assert told_whole(dialect, chunks) == told_streamed(dialect, chunks) == expected


@_DIALECTS
@pytest.mark.parametrize(
    "between",
    [[], [said({"content": "well"})], [piece("", "c2", "go", index=2), piece("{}", index=2)]],
    ids=["two", "text", "three"],
)
def test_calls_that_come_at_the_same_time_are_each_told_whole(dialect: str, between: list[dict[str, Any]]) -> None:
    chunks = [
        piece('{"a":', "c0", "look", index=0), piece('{"b":', "c1", "see", index=1), *between,
        piece("1}", index=0), piece("2}", index=1), piece(" ", index=0), said({}, "tool_calls"),
    ]  # fmt: skip
    third: list[tuple[str, Any]] = [("go", {})] if between and "tool_calls" in between[0]["choices"][0]["delta"] else []
    expected: Told = ([("look", {"a": 1}), ("see", {"b": 2}), *third], _REASONS[dialect]["calls"])
    assert told_whole(dialect, chunks) == told_streamed(dialect, chunks) == expected
