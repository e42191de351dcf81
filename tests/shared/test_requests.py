"""Requests that jobs bring, as engines get them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.requests import read_request


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"city": "Par', {"arguments": '{"city": "Par'}),
        ("", {}),
        (None, {}),
        ("[1]", {"arguments": "[1]"}),
        ('{"half": "\\ud83d"}', {"half": "?"}),
    ],
)
def test_a_chat_goes_on_after_a_call_that_was_cut_off(written: str | None, sent: dict[str, Any]) -> None:
    """To what is no object, llama.cpp answers 500, to this request and all that follow."""
    call = {"id": "a", "function": {"name": "look", "arguments": written}}
    chat = {"messages": [{"role": "assistant", "content": None, "tool_calls": [call]}]}
    [message] = read_request(chat).body["messages"]
    [read] = message["tool_calls"]
    assert (read["id"], read["type"], read["function"]["name"]) == ("a", "function", "look")
    assert json.loads(read["function"]["arguments"]) == sent


@pytest.mark.parametrize(
    "calls", [None, "x", [None], [{"function": "x"}], [{"type": "function", "function": {"arguments": '{"a":  1}'}}]]
)
def test_what_an_engine_is_to_judge_stays(calls: Any) -> None:
    chat = {"messages": [{"role": "assistant", "content": "", "tool_calls": calls}]}
    [message] = read_request(chat).body["messages"]
    assert message["tool_calls"] == calls
