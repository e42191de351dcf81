"""Chats that engines would fail at, or take otherwise than they are meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.dialects import anthropic, ollama_chat, openai_chat, openai_responses
from api.gateway.ollama.request import chat_of
from api.gateway.well_formed import well_formed
from shared.errors import InvalidParameters
from shared.requests import CHAT

NO_BIASES: list[Any] = [
    5, True, False, "5", [5], [[5]], [[5, 1, 2]], [[5, None]], [[5, True]], [[True, 1]], [[[5], 1]], {"5": None},
    {"5": "1"}, {"5": [1]}, {"5": True},
]  # fmt: skip
#: Those of OpenAI, and of llama.cpp.
BIASES: list[Any] = [None, {}, {"5": -100}, {"5": 0.5, "hello": False}, [], [[5, 1.0], ["hello", False]]]
_HELLO = {"role": "user", "content": "hello"}
_LOOK = {"type": "function", "function": {"name": "look"}}
_LOOK_NOW = {"name": "look", "arguments": "{}"}


def asked(**fields: Any) -> dict[str, Any]:
    return {"messages": [_HELLO]} | fields


def _called(arguments: Any, **more: Any) -> dict[str, Any]:
    """A chat in which a tool was called."""
    call = {"id": "a", "type": "function", "function": {"name": "look", "arguments": arguments}} | more
    return {"messages": [{"role": "assistant", "tool_calls": [call]}]}


_NO_PICTURES: list[dict[str, Any]] = [
    {}, {"image_url": None}, {"image_url": {}}, {"image_url": {"url": 5}}, {"image_url": 5},
]  # fmt: skip


def _seen(**fields: Any) -> dict[str, Any]:
    """A chat that shows a picture."""
    return {"messages": [{"role": "user", "content": [{"type": "image_url", **fields}]}]}


def _shaped(schema: Any) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"messages": ["hello"]}, "messages.0"),
        ({"messages": [_HELLO, {"content": "x"}]}, "messages.1"),
        ({"messages": [{"role": "assistant", "tool_calls": [{"id": "a"}]}]}, "messages.0.tool_calls.0"),
        (_called(5), "messages.0.tool_calls.0.function.arguments"),
        (_called("{}", id=5), "messages.0.tool_calls.0.id"),
        ({"messages": [_HELLO | {"name": 5}]}, "messages.0.name"),
        ({"messages": [_HELLO, {"role": "tool", "tool_call_id": ["a"], "content": "x"}]}, "messages.1.tool_call_id"),
        ({"messages": [_HELLO | {"reasoning_content": 5}]}, "messages.0.reasoning_content"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": ["x"]}]}, "messages.0.content.0"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]}, "messages.0.content.0.text"),
        ({"messages": [{"role": "user", "content": [{"type": "refusal", "refusal": 5}]}]}, "messages.0.content.0.text"),
        *((_seen(**wrong), "messages.0.content.0.image_url") for wrong in _NO_PICTURES),
        ({"tools": "look"}, "tools"),
        ({"tools": [{}]}, "tools.0.function.name"),
        ({"tools": ["look"]}, "tools.0"),
        ({"tools": [_LOOK, {"type": "custom", "custom": {"name": "x"}}]}, "tools.1"),
        ({"tools": [{"type": "function", "function": {"name": 3}}]}, "tools.0.function.name"),
        ({"tools": [{"function": {"name": "look", "description": {}}}]}, "tools.0.function.description"),
        ({"response_format": "json"}, "response_format"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (_shaped(5), "response_format.json_schema.schema"),
        (_shaped([]), "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_object", "schema": True}}, "response_format.schema"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"stop": 5}, "stop"),
        ({"stop": ["a", 5]}, "stop"),
        *(({"logit_bias": wrong}, "logit_bias") for wrong in NO_BIASES),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_completion_tokens": "many"}, "max_completion_tokens"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": True}, "top_p"),
        ({"frequency_penalty": [1]}, "frequency_penalty"),
        ({"seed": "x"}, "seed"),
        ({"n": 1.5}, "n"),
        ({"logprobs": 3}, "logprobs"),
        ({"parallel_tool_calls": "yes"}, "parallel_tool_calls"),
    ],
)
def test_mistakes_are_told_with_their_place(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        well_formed(asked(**given))
    assert refused.value.problem.details["field"] == field


def test_what_is_right_stays_as_it_is() -> None:
    parts = [{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}}]
    body = asked(
        messages=[{"role": "developer", "content": "x"}, {"role": "user", "content": parts}],
        tools=[_LOOK], stop=["a"], max_tokens=3, response_format={"type": "json_object"}, unheard_of=1,
    )  # fmt: skip
    assert well_formed(body) == body


def test_a_picture_s_address_may_be_a_plain_text() -> None:
    url = "data:image/png;base64,x"
    assert well_formed(_seen(image_url=url)) == _seen(image_url={"url": url})


def test_fields_that_are_null_are_left_out() -> None:
    said = {"role": "assistant", "content": None, "name": None, "tool_call_id": None, "reasoning_content": None}
    tool = {"type": "function", "function": {"name": "look", "description": None}}
    call = _called("{}", id=None, type=None)["messages"][0]["tool_calls"]
    made = well_formed({"messages": [said | {"tool_calls": call}], "tools": [tool]} | _shaped(None))
    assert made["tools"] == [_LOOK]
    assert made["messages"] == [{"role": "assistant", "content": None, "tool_calls": [_LOOK | {"function": _LOOK_NOW}]}]


def test_an_empty_stop_ends_nothing() -> None:
    assert "stop" not in well_formed(asked(stop=""))
    assert well_formed(asked(stop=["", "a"]))["stop"] == ["a"]
    assert well_formed(asked(stop="a"))["stop"] == ["a"]


@pytest.mark.parametrize("bias", BIASES)
def test_tokens_are_favoured_in_every_form_that_llama_cpp_takes(bias: Any) -> None:
    assert well_formed(asked(logit_bias=bias)) == asked(logit_bias=bias)


def test_a_negative_limit_is_none() -> None:
    assert well_formed(asked(max_tokens=-1, max_completion_tokens=-2)) == asked()


def test_no_tools_are_no_tools() -> None:
    assert well_formed(asked(tools=[])) == asked()
    assert well_formed(asked(tools=[{"function": {"name": "look"}}]))["tools"] == [_LOOK]


def test_a_refusal_of_an_earlier_turn_is_text() -> None:
    said = {"role": "assistant", "content": [{"type": "refusal", "refusal": "no"}]}
    [message] = well_formed({"messages": [said]})["messages"]
    assert message["content"] == [{"type": "text", "text": "no"}]


def _arguments(written: Any) -> Any:
    """As engines get them."""
    [message] = well_formed(_called(written))["messages"]
    return message["tool_calls"][0]["function"]["arguments"]


@pytest.mark.parametrize("written", ["{\n   ", '["at"]', "null", '{"at": NaN}', '{"at": 1} ok', "[" * 5000])
def test_arguments_that_were_cut_off_are_told_as_what_they_are(written: str) -> None:
    assert json.loads(_arguments(written)) == {"arguments": written}


@pytest.mark.parametrize("written", ['{"at":  1}', "{}", {"at": 1}])
def test_arguments_that_are_an_object_stay_as_they_are(written: Any) -> None:
    assert _arguments(written) == written


def test_half_a_character_in_arguments_is_not_left_to_the_engine() -> None:
    assert json.loads(_arguments('{"at": "\\ud83d\\ude00 \\ud83d"}')) == {"at": "\U0001f600 ?"}
    assert json.loads(_arguments("\ud800")) == {"arguments": "?"}


@pytest.mark.parametrize("written", ["", " ", None])
def test_no_arguments_are_an_empty_object(written: Any) -> None:
    assert _arguments(written) == "{}"


def test_every_dialect_that_hands_tools_on_is_checked() -> None:
    broken = {"model": "m", "messages": [_HELLO], "tools": [{"type": "function", "function": {}}]}
    with pytest.raises(InvalidParameters):
        openai_chat.read(broken)
    with pytest.raises(InvalidParameters):
        ollama_chat.exchange_of(broken, CHAT, chat_of(broken), "message")


def test_what_other_dialects_write_is_right() -> None:
    tool = {"name": "look", "input_schema": {"type": "object"}}
    message = anthropic.read({"model": "m", "messages": [_HELLO], "max_tokens": 3, "tools": [tool]})
    function = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    response = openai_responses.read({"model": "m", "input": "hello", "tools": [function]})
    for exchange in (message, response):
        assert exchange.body["tools"][0]["function"]["name"] == "look"
