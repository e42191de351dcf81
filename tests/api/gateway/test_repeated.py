"""What a response repeats of its request: OpenAI's own client reads it with types."""

from __future__ import annotations

from typing import Any

import pytest

from api.gateway.dialects.openai_responses import read
from shared.errors import InvalidParameters

_LOOK = {"type": "function", "name": "look"}
_SEARCH = {"type": "web_search"}
_SCHEMA = {"type": "json_schema", "name": "said", "schema": {"type": "object"}}
_ALL_OF_IT = {"description": None, "parameters": None, "strict": None}


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": "hello"} | fields


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"metadata": "x"}, "metadata", "object"),
        ({"metadata": {"a": 1}}, "metadata", "text"),
        ({"truncation": "zz"}, "truncation", "disabled, auto"),
        ({"truncation": ["auto"]}, "truncation", "disabled, auto"),
        ({"text": {"format": {"type": "x"}}}, "text.format.type", "text, json_object, json_schema"),
        ({"text": {"format": {"schema": {}}}}, "text.format.type", "text, json_object, json_schema"),
        ({"text": {"format": "json"}}, "text.format", "object"),
        ({"text": {"format": {"type": "json_schema", "name": "x"}}}, "text.format.schema", "JSON schema"),
        ({"text": {"format": _SCHEMA | {"schema": "x"}}}, "text.format.schema", "object"),
        ({"text": {"format": _SCHEMA | {"name": 5}}}, "text.format.name", "text"),
        ({"text": {"format": _SCHEMA | {"strict": "x"}}}, "text.format.strict", "true or false"),
        ({"text": {"verbosity": 5}}, "text.verbosity", "low, medium, high"),
        ({"reasoning": {"summary": 5}}, "reasoning.summary", "auto, concise, detailed"),
        ({"reasoning": {"effort": "bogus"}}, "reasoning.effort", "none, minimal, low, medium, high, xhigh, max"),
        ({"tool_choice": 5}, "tool_choice", "auto, none, required"),
        ({"tool_choice": "zz"}, "tool_choice", "auto, none, required"),
        ({"tool_choice": {"type": "function"}}, "tool_choice", "auto, none, required"),
        ({"tools": [_LOOK], "tool_choice": _SEARCH}, "tool_choice", "auto, none, required"),
        ({"tools": [_LOOK], "tool_choice": {"type": "allowed_tools", "mode": "zz"}}, "tool_choice", "auto"),
        ({"tools": [5]}, "tools.0", "name"),
        ({"tools": [_LOOK | {"name": 5}]}, "tools.0.name", "text"),
        ({"tools": [_LOOK | {"parameters": "x"}]}, "tools.0.parameters", "object"),
        ({"tools": [_LOOK | {"description": 5}]}, "tools.0.description", "text"),
        ({"max_tool_calls": "x"}, "max_tool_calls", "whole number"),
        ({"safety_identifier": 5}, "safety_identifier", "text"),
        ({"prompt_cache_key": [1]}, "prompt_cache_key", "text"),
    ],
)
def test_what_no_client_could_read_again_is_refused(given: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        read(asked(**given))
    problem = refused.value.problem
    assert problem.details["field"] == field
    assert words in problem.fix


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"metadata": {"a": "b"}, "truncation": "auto", "max_tool_calls": 3}, {}),
        ({"safety_identifier": "x", "prompt_cache_key": "y", "temperature": 1}, {}),
        ({"metadata": None, "truncation": None, "text": None, "reasoning": None, "tools": None, "tool_choice": None}, {
            "metadata": {}, "truncation": "disabled", "text": {"format": {"type": "text"}},
            "reasoning": {"effort": None, "summary": None}, "tools": [], "tool_choice": "auto",
        }),
        ({"text": {"verbosity": "low"}}, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
        ({"text": {"format": _SCHEMA}}, {}),
        ({"reasoning": {"effort": "high", "summary": "auto"}}, {}),
        ({"tools": [_LOOK], "tool_choice": "required"}, {"tools": [_LOOK | _ALL_OF_IT]}),
        ({"tools": [_LOOK, _SEARCH], "tool_choice": _LOOK}, {"tools": [_LOOK | _ALL_OF_IT]}),
        ({"tools": [_LOOK], "tool_choice": {"type": "allowed_tools", "tools": [_LOOK]}}, {
            "tools": [_LOOK | _ALL_OF_IT], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [_LOOK]},
        }),
        ({"tools": [_SEARCH], "tool_choice": _SEARCH}, {"tools": [], "tool_choice": "auto"}),
        ({"tools": [_SEARCH], "tool_choice": "required"}, {"tools": [], "tool_choice": "auto"}),
    ],
)  # fmt: skip
def test_a_response_repeats_what_was_asked_or_what_holds_instead(given: dict[str, Any], told: dict[str, Any]) -> None:
    said = read(asked(**given)).whole({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]})
    assert isinstance(said, dict)
    expected = given | told
    assert {name: said[name] for name in expected} == expected
