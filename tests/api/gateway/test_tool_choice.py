"""Choices of tools as engines understand them."""

from __future__ import annotations

from typing import Any

import pytest

from api.gateway.tool_choice import decided
from shared.errors import InvalidParameters

_NESTED = {
    "type": "object",
    "$defs": {"Who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}},
    "properties": {"who": {"$ref": "#/$defs/Who"}},
    "required": ["who"],
}


def tool(name: str, parameters: object = None) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name} | ({"parameters": parameters} if parameters else {})}


def named(name: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


_TOOLS = [
    tool("look", {"type": "object", "properties": {"at": {"type": "string"}}}),
    tool("book", _NESTED),
    tool("now"),
]


def schema(**asked: Any) -> dict[str, Any]:
    body, forced = decided({"tools": _TOOLS, **asked})
    assert forced
    found: dict[str, Any] = body["response_format"]["json_schema"]["schema"]
    return found


def call(name: str, place: int) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"name": {"const": name}, "arguments": {"$ref": f"#/$defs/tool{place}"}},
        "required": ["name", "arguments"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("choice", [None, "auto", "none"])
def test_a_model_that_may_call_is_asked_as_it_is(choice: object) -> None:
    body = {"tools": _TOOLS, "tool_choice": choice}
    assert decided(body) == (body, False)


def test_a_model_that_must_call_answers_with_one_call_of_any_tool() -> None:
    found = schema(tool_choice="required")
    assert found["anyOf"] == [call("look", 0), call("book", 1), call("now", 2)]
    assert found["$defs"]["tool0"] == _TOOLS[0]["function"]["parameters"]
    assert found["$defs"]["tool2"] == {"type": "object", "properties": {}, "additionalProperties": False}


def test_references_within_a_tools_schema_hold() -> None:
    book = schema(tool_choice="required")["$defs"]["tool1"]
    assert book["properties"]["who"]["$ref"] == "#/$defs/tool1/$defs/Who"
    assert book["$defs"] == _NESTED["$defs"]


def test_several_calls_are_a_list_and_have_to_be_asked_for() -> None:
    found = schema(tool_choice="required", parallel_tool_calls=True)
    assert (found["type"], found["minItems"]) == ("array", 1)
    assert found["items"]["anyOf"] == schema(tool_choice="required")["anyOf"]


def test_a_choice_of_one_function_leaves_the_others_out() -> None:
    body, _ = decided({"tools": _TOOLS, "tool_choice": named("book")})
    assert (body["tools"], body["tool_choice"]) == ([_TOOLS[1]], "required")
    assert schema(tool_choice=named("book")).items() >= call("book", 0).items()


@pytest.mark.parametrize(("mode", "forced"), [("auto", False), ("required", True)])
def test_some_tools_may_be_allowed(mode: str, forced: bool) -> None:
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [named("look"), named("now")]}}
    body, must = decided({"tools": _TOOLS, "tool_choice": choice})
    assert (body["tools"], body["tool_choice"], must) == ([_TOOLS[0], _TOOLS[2]], mode, forced)


@pytest.mark.parametrize(
    "asked",
    [
        {"tool_choice": "required"},
        {"tool_choice": "required", "tools": []},
        {"tool_choice": named("other"), "tools": _TOOLS},
        {"tool_choice": "always", "tools": _TOOLS},
        {"tool_choice": {"type": "function"}, "tools": _TOOLS},
        {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"tools": []}}, "tools": _TOOLS},
        {"tool_choice": 3, "tools": _TOOLS},
    ],
)
def test_a_choice_that_cannot_be_made_is_explained(asked: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as refused:
        decided(asked)
    assert refused.value.problem.details["field"] == "tool_choice"
