"""Ollama's chats and generations, translated to chats and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.dialects import ollama_chat
from api.gateway.fresh_writer import FreshWriter
from api.gateway.ollama.answer import Lines
from api.gateway.ollama.request import chat_of, generate_of, raw_of, seconds_of, spec_of
from shared.errors import InvalidParameters
from shared.requests import CHAT
from shared.runtimes import MOST_CONTEXT


def lines(written: bytes) -> list[dict[str, Any]]:
    """What a client reads; no line is blank."""
    assert written.endswith(b"\n")
    return [json.loads(line) for line in written[:-1].split(b"\n")]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [(None, None), (0, 0.0), (-1, -1.0), ("-1m", -1.0), ("5m", 300.0), ("1h30m", 5400.0), (30, 30.0), ("45", 45.0)],
)
def test_keep_alive_is_a_number_or_a_duration(written: object, seconds: float | None) -> None:
    assert seconds_of(written) == seconds


def test_several_types_in_one_text_are_a_list_at_any_depth() -> None:
    """Ollama's client for Python writes a union so."""
    inner = {"type": "object", "properties": {"type": {"type": "number,null"}, "b": {"type": "string"}}}
    parameters = {"type": "object", "properties": {"a": {"type": "string, integer"}, "c": inner}}
    function = {"name": "look", "parameters": parameters}
    [tool] = chat_of({"messages": [], "tools": [{"type": "function", "function": function}]})["tools"]
    made = tool["function"]["parameters"]["properties"]
    assert made["a"] == {"type": ["string", "integer"]}
    assert made["c"]["properties"] == {"type": {"type": ["number", "null"]}, "b": {"type": "string"}}


@pytest.mark.parametrize("odd", [["look"], [{}], [{"function": "look"}], [{"function": {"parameters": "a, b"}}]])
def test_odd_tools_are_left_to_be_refused(odd: list[Any]) -> None:
    assert chat_of({"messages": [], "tools": odd})["tools"] == odd


@pytest.mark.parametrize("wrong", ["soon", "5 minutes", "", "m"])
def test_other_words_are_no_duration(wrong: str) -> None:
    with pytest.raises(InvalidParameters):
        seconds_of(wrong)


def test_options_are_called_by_their_other_names_and_null_ones_left_out() -> None:
    body = chat_of({"messages": [], "options": {"num_predict": 5, "top_k": None, "temperature": 0, "num_thread": 4}})
    assert body == {"messages": [], "max_tokens": 5, "temperature": 0}


@pytest.mark.parametrize(
    ("limit", "sent"), [(5, {"max_tokens": 5}), (5.0, {"max_tokens": 5}), (0, {}), (-1, {}), (-2, {})]
)
def test_a_limit_of_nothing_or_less_is_none(limit: float, sent: dict[str, int]) -> None:
    assert chat_of({"messages": [], "options": {"num_predict": limit}}) == {"messages": []} | sent


@pytest.mark.parametrize(
    ("name", "value"),
    [("num_predict", "many"), ("num_ctx", "big"), ("temperature", "hot"), ("top_k", True), ("stop", 5), ("stop", [1]),
     ("seed", float("inf"))],
)  # fmt: skip
def test_options_of_another_type_are_explained(name: str, value: object) -> None:
    asked = {"messages": [], "options": {name: value}}
    with pytest.raises(InvalidParameters, match=name):
        spec_of(asked) if name == "num_ctx" else chat_of(asked)


def test_a_context_is_no_longer_than_anybody_counts() -> None:
    assert spec_of({"options": {"num_ctx": 1e30}}).context == MOST_CONTEXT


@pytest.mark.parametrize("wrong", ["xml", 5, ["json"]])
def test_a_format_is_json_or_a_schema(wrong: object) -> None:
    with pytest.raises(InvalidParameters, match="format"):
        chat_of({"messages": [], "format": wrong})
    assert chat_of({"messages": [], "format": ""}) == {"messages": []}


@pytest.mark.parametrize("wrong", ["hard", 1, ["low"]])
def test_a_model_thinks_or_not_or_in_three_degrees(wrong: object) -> None:
    with pytest.raises(InvalidParameters, match="think"):
        chat_of({"messages": [], "think": wrong})
    assert chat_of({"messages": [], "think": "low"})["chat_template_kwargs"]["reasoning_effort"] == "low"


def test_results_find_their_calls_by_name() -> None:
    calls: list[Any] = [{"function": {"name": name, "arguments": {}}} for name in ("look", "go", "look")]
    results: list[Any] = [
        {"role": "tool", "content": name, "tool_name": name} for name in ("go", "look", "look", "other")
    ]
    asking, *told = chat_of({"messages": [{"role": "assistant", "tool_calls": calls}, *results]})["messages"]
    look, go, again = (one["id"] for one in asking["tool_calls"])
    assert [one["tool_call_id"] for one in told] == [go, look, again, "call"]


def test_calls_get_the_ids_that_their_results_answer() -> None:
    call = {"function": {"name": "look", "arguments": {"at": 1}}}
    body = chat_of(
        {"messages": [
            {"role": "assistant", "content": "", "tool_calls": [call, call]},
            {"role": "tool", "content": "a"},
            {"role": "tool", "content": "b"},
        ]}
    )  # fmt: skip
    asking, first, second = body["messages"]
    assert [one["id"] for one in asking["tool_calls"]] == [first["tool_call_id"], second["tool_call_id"]]
    assert json.loads(asking["tool_calls"][0]["function"]["arguments"]) == {"at": 1}


def test_a_generation_is_a_chat_of_one_message() -> None:
    body = generate_of({"prompt": "hi", "system": "be brief", "format": "json"})
    assert [message["content"] for message in body["messages"]] == ["be brief", "hi"]
    assert body["response_format"] == {"type": "json_object"}


@pytest.mark.parametrize("field", ["suffix", "template", "context"])
def test_what_would_change_a_generation_and_is_not_possible_is_refused(field: str) -> None:
    with pytest.raises(InvalidParameters, match=field):
        generate_of({"prompt": "hi", field: [1] if field == "context" else "x"})
    empty: dict[str, Any] = {"suffix": "", "template": "", "context": None, "system": "", "images": []}
    assert generate_of({"prompt": "hi"} | empty) == generate_of({"prompt": "hi"})
    assert raw_of({"prompt": "hi"} | empty) == {"prompt": "hi"}


@pytest.mark.parametrize("field", ["system", "template", "images", "context"])
def test_raw_is_the_prompt_and_nothing_beside_it(field: str) -> None:
    with pytest.raises(InvalidParameters, match=field):
        raw_of({"prompt": "hi", field: ["x"]})


def test_images_of_a_generation_are_parts_of_its_message() -> None:
    shown = generate_of({"prompt": "what?", "images": ["iVBORw0KGgo="]})["messages"][0]["content"]
    assert shown == [
        {"type": "text", "text": "what?"},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
    ]


@pytest.mark.parametrize("wrong", [5, True, False, {"a": 1}, [{"type": "text", "text": "hi"}], []])
def test_what_a_message_says_is_a_text(wrong: Any) -> None:
    with pytest.raises(InvalidParameters, match=r"content.*give a text"):
        chat_of({"messages": [{"role": "user", "content": wrong}]})
    with pytest.raises(InvalidParameters, match="content"):
        chat_of({"messages": [{"role": "user", "content": wrong, "images": ["iVBORw0KGgo="]}]})


@pytest.mark.parametrize("wrong", [5, None, {"url": "x"}, ["iVBORw0KGgo="]])
def test_an_image_is_a_text_in_base64(wrong: Any) -> None:
    with pytest.raises(InvalidParameters, match="images"):
        chat_of({"messages": [{"role": "user", "content": "what?", "images": [wrong]}]})


def test_a_stream_is_lines_that_end_with_one_that_is_done() -> None:
    writer = Lines("m", "message")
    deltas = [
        {"role": "assistant", "content": None},
        {"reasoning_content": "hm"},
        {"content": "a"},
        {"tool_calls": [{"index": 0, "id": "t", "function": {"name": "look", "arguments": '{"at"'}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ":1}"}}]},
    ]
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    usage = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}
    events = [json.dumps(chunk).encode() for chunk in [*chunks, usage]]
    read = lines(writer.waiting() + writer.feed(events) + writer.end())
    assert [line["done"] for line in read] == [False] * 4 + [True]
    assert all(isinstance(line["message"]["content"], str) for line in read)
    assert read[-2]["message"]["tool_calls"] == [
        {"id": "t", "function": {"index": 0, "name": "look", "arguments": {"at": 1}}}
    ]
    assert (read[-1]["prompt_eval_count"], read[-1]["eval_count"], read[-1]["done_reason"]) == (3, 2, "stop")
    assert not [line for line in read if None in line.values()]


def test_a_completion_answers_a_generation() -> None:
    said = {"choices": [{"text": "sea", "finish_reason": "length"}], "usage": {"completion_tokens": 1}}
    line = Lines("m", "response").whole(said)
    assert (line["response"], line["done_reason"], line["done"]) == ("sea", "length", True)


_TOKEN = {"id": 7, "token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.5}]}
_LIKELY = [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": [{"token": "a", "logprob": -0.5}]}]


def test_probabilities_are_told_to_who_asks() -> None:
    assert chat_of({"messages": [], "logprobs": True, "top_logprobs": 2}) == {
        "messages": [], "logprobs": True, "top_logprobs": 2,
    }  # fmt: skip
    assert raw_of({"prompt": "x", "logprobs": True}) == {"prompt": "x", "logprobs": 1}
    assert chat_of({"messages": [], "logprobs": False}) == {"messages": []}
    with pytest.raises(InvalidParameters, match="top_logprobs"):
        chat_of({"messages": [], "logprobs": True, "top_logprobs": 21})


@pytest.mark.parametrize("content", ["a", ""])
def test_probabilities_come_with_their_text(content: str) -> None:
    choice = {"index": 0, "logprobs": {"content": [_TOKEN]}}
    whole = Lines("m", "message").whole({"choices": [choice | {"message": {"content": content}}]})
    piece = json.dumps({"choices": [choice | {"delta": {"content": content}}]}).encode()
    [line] = lines(Lines("m", "message").feed([piece]))
    assert whole["logprobs"] == line["logprobs"] == _LIKELY
    assert line["message"]["content"] == content


def test_probabilities_are_told_once_where_a_thought_ends_within_a_piece() -> None:
    choice = {"index": 0, "logprobs": {"content": [_TOKEN]}, "delta": {"reasoning_content": "hm", "content": "a"}}
    thought, text = lines(Lines("m", "message").feed([json.dumps({"choices": [choice]}).encode()]))
    assert (thought["message"]["thinking"], thought["logprobs"]) == ("hm", _LIKELY)
    assert text["message"]["content"] == "a"
    assert "logprobs" not in text


def test_calls_of_a_run_that_went_away_are_not_told_with_those_of_the_next() -> None:
    exchange = ollama_chat.exchange_of(
        {"model": "m"}, CHAT, {"messages": [{"role": "user", "content": "x"}]}, "message"
    )
    assert exchange.writer is not None
    writer = FreshWriter(exchange.writer)
    call = {"index": 0, "id": "a", "function": {"name": "look", "arguments": '{"at": 1}'}}
    event = json.dumps({"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}).encode()
    assert writer.feed([event]) == b""
    writer.anew()
    said = lines(writer.feed([event]) + writer.end())
    told = [each["function"]["arguments"] for line in said for each in line["message"].get("tool_calls", ())]
    assert told == [{"at": 1}]
