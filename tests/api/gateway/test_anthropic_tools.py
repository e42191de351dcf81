"""Tools of a request for a message: described by it, or known by their type alone."""

from __future__ import annotations

from typing import Any

import pytest

from api.gateway.anthropic.request import chat_of
from api.gateway.dialects.anthropic import read
from shared.errors import InvalidParameters, Problem

_LOOK = {"name": "look", "input_schema": {"type": "object"}}
_BASH = {"type": "bash_20250124", "name": "bash"}
_SEARCH = {"type": "web_search_20250305", "name": "web_search"}


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 10, "messages": [{"role": "user", "content": "hello"}]} | fields


def refused(**fields: Any) -> Problem:
    with pytest.raises(InvalidParameters) as raised:
        read(asked(**fields))
    return raised.value.problem


@pytest.mark.parametrize(
    ("tool", "place"),
    [
        (5, "tools.1"),
        ({"name": "x"}, "tools.1.input_schema"),
        ({"name": "x", "type": "custom"}, "tools.1.input_schema"),
        ({"name": "x", "input_schema": "s"}, "tools.1.input_schema"),
        ({"input_schema": {}}, "tools.1.name"),
        ({"name": 5, "input_schema": {}}, "tools.1.name"),
        ({"name": "x", "input_schema": {}, "description": 5}, "tools.1.description"),
        ({"name": "x", "type": 5}, "tools.1.type"),
    ],
)
def test_a_tool_that_nobody_could_call_is_refused(tool: object, place: str) -> None:
    assert refused(tools=[_LOOK, tool]).details["field"] == place


@pytest.mark.parametrize("choice", [None, {"type": "auto"}, {"type": "none"}])
def test_tools_known_by_their_type_alone_are_left_out(choice: object) -> None:
    assert "tools" not in chat_of(asked(tools=[_BASH, _SEARCH], tool_choice=choice))
    [left] = chat_of(asked(tools=[_BASH, _LOOK, _SEARCH], tool_choice=choice))["tools"]
    assert left["function"]["name"] == "look"


@pytest.mark.parametrize(
    ("tools", "choice", "why"),
    [
        ([_BASH], {"type": "tool", "name": "bash"}, "bash"),
        ([_LOOK, _BASH], {"type": "tool", "name": "bash"}, "bash"),
        ([_BASH, _SEARCH], {"type": "any"}, "bash, web_search"),
        ([], {"type": "any"}, "no tools"),
        ([_LOOK], {"type": "tool", "name": "go"}, "go is not among look"),
    ],
)
def test_a_call_of_a_tool_that_was_left_out_cannot_be_forced(tools: list[Any], choice: object, why: str) -> None:
    problem = refused(tools=tools, tool_choice=choice)
    assert problem.details["field"] == "tool_choice"
    assert why in problem.why


def test_any_other_tool_may_be_forced_when_some_were_left_out() -> None:
    assert chat_of(asked(tools=[_LOOK, _BASH], tool_choice={"type": "any"}))["tool_choice"] == "required"
