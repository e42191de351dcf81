"""Anthropic's messages, translated to chats and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.anthropic.answer import whole
from api.gateway.anthropic.request import chat_of
from api.gateway.anthropic.stream import MessageWriter
from api.gateway.dialects.anthropic import read
from shared.errors import InvalidParameters, Unavailable

_HELLO = {"role": "user", "content": "hello"}
#: Of the thought "hm": clients send back only thoughts that have one.
_SIGNATURE = "uC4heOz00MWFncLhadf+2Gc/n27rnzWRvtXyU7d0JAg="


def asked(**fields: Any) -> dict[str, Any]:
    return {"max_tokens": 10, "messages": [_HELLO]} | fields


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **more: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason}], **more}).encode()


def events(written: bytes) -> list[dict[str, Any]]:
    """What a client reads; each event's line names the type of its data."""
    read = []
    for block in written.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        read.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {read[-1]['type']}"
    return read


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"system": "be brief"}, [{"role": "system", "content": "be brief"}, _HELLO]),
        (
            {"system": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            [{"role": "system", "content": "a\nb"}, _HELLO],
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "hello", "cache_control": {}}]}]},
            [_HELLO],
        ),
        (
            {"messages": [_HELLO, {"role": "assistant", "content": [
                {"type": "thinking", "thinking": "hm", "signature": ""},
                {"type": "text", "text": "let me see"},
                {"type": "tool_use", "id": "t1", "name": "look", "input": {"at": 1}},
            ]}, {"role": "user", "content": [
                {"type": "tool_result", "tool_use_id": "t1", "content": [{"type": "text", "text": "seen"}]},
                {"type": "text", "text": "well?"},
            ]}]},
            [
                _HELLO,
                {"role": "assistant", "content": "let me see", "reasoning_content": "hm", "tool_calls": [
                    {"id": "t1", "type": "function", "function": {"name": "look", "arguments": '{"at": 1}'}},
                ]},
                {"role": "tool", "tool_call_id": "t1", "content": "seen"},
                {"role": "user", "content": "well?"},
            ],
        ),
        (
            {"messages": [{"role": "user", "content": [
                {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": "QQ=="}},
                {"type": "text", "text": "what?"},
            ]}]},
            [{"role": "user", "content": [
                {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QQ=="}},
                {"type": "text", "text": "what?"},
            ]}],
        ),
    ],
)  # fmt: skip
def test_messages_become_a_chat(given: dict[str, Any], sent: list[dict[str, Any]]) -> None:
    assert chat_of(asked(**given))["messages"] == sent


@pytest.mark.parametrize(
    ("choice", "sent"),
    [
        (None, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "look"}, {"type": "function", "function": {"name": "look"}}),
    ],
)
def test_tools_become_functions(choice: object, sent: object) -> None:
    server = {"type": "web_search_20250305", "name": "web_search"}
    tool = {"name": "look", "description": "looks", "input_schema": {"type": "object"}}
    body = chat_of(asked(tools=[tool, server], tool_choice=choice))
    function = {"name": "look", "description": "looks", "parameters": {"type": "object"}}
    assert (body["tools"], body["tool_choice"]) == ([{"type": "function", "function": function}], sent)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_tokens": None},
        {"max_tokens": 0},
        {"max_tokens": True},
        {"messages": []},
        {"messages": ["hello"]},
        {"messages": [{"role": "user", "content": 5}]},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "http://x"}}]}]},
        {"temperature": "hot"},
        {"messages": [{"role": "user", "content": [{"type": "container_upload", "file_id": "x"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": {"type": "base64"}}]}]},
        {"messages": [{"role": "user", "content": [{"type": "document", "source": "x"}]}]},
        {"tools": [{"name": "look", "input_schema": {}}], "tool_choice": {"type": "some"}},
        {"tools": [{"name": "look", "input_schema": {}}], "tool_choice": {"type": ["any"]}},
        {"messages": [{"role": "user", "content": [{"type": "image", "source": "x"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "text", "text": 5}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "thinking", "thinking": 5}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": "image", "source": "x"}]}]},
        {"messages": [{"role": "assistant", "content": [{"type": ["text"]}]}]},
        {"thinking": {"type": "bogus"}},
        {"thinking": {}},
        {"thinking": {"type": ["enabled"]}},
        {"output_config": {"format": {"type": "bogus"}}},
        {"output_config": {"format": {"type": "json_schema"}}},
        {"output_config": {"format": {"type": "json_schema", "schema": 5}}},
        {"output_config": {"format": "json"}},
        {"output_format": {"schema": {}}},
        {"thread": {"type": "create"}},
        {"thread": {"type": "continue", "previous_message_id": "msg_1"}},
        {"thread": {}},
        {"thread": True},
        {"mcp_servers": [{"type": "url", "name": "x", "url": "https://x.example/sse"}]},
        {"mcp_servers": {}},
        {"compaction": {"type": "summarize"}},
    ],
)
def test_what_makes_no_sense_is_explained(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as raised:
        chat_of(asked(**wrong))
    problem = raised.value.problem
    assert problem.what
    assert problem.why
    assert problem.fix


@pytest.mark.parametrize(
    "block",
    [
        {"type": "text", "text": 42},
        {"type": "text"},
        {"type": "document", "source": {"type": "text", "data": 42}},
        {"type": "document", "title": 42, "source": {"type": "text", "data": "It is green."}},
        {"type": "search_result", "source": "x", "title": "y", "content": [{"type": "text", "text": 42}]},
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": 42}]},
        {"type": "tool_reference", "tool_name": 42},
        {"type": "image", "source": {"type": "base64", "data": 5}},
        {"type": "image", "source": {"type": "base64", "data": "QQ==", "media_type": 5}},
    ],
)
def test_a_block_whose_text_is_none_is_refused_with_its_place(block: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters) as refused:
        chat_of(asked(messages=[_HELLO, {"role": "user", "content": [block]}]))
    assert refused.value.problem.details["field"] == "messages.1"


def test_a_stream_opens_and_closes_a_block_for_each_kind_of_thing_said() -> None:
    writer = MessageWriter("m")
    written = writer.waiting() + writer.feed(
        [
            chunk(prompt_progress={"total": 9, "cache": 2}),
            chunk({"role": "assistant", "reasoning_content": "hm"}),
            chunk({"content": "let "}),
            chunk({"content": "me"}),
            chunk({"tool_calls": [{"index": 0, "id": "t", "function": {"name": "look", "arguments": ""}}]}),
            chunk({"tool_calls": [{"index": 0, "function": {"arguments": '{"at":1}'}}]}),
            chunk({"tool_calls": [{"index": 1, "id": "u", "function": {"name": "go", "arguments": "{}"}}]}),
            chunk(reason="tool_calls"),
            json.dumps({"choices": [], "usage": {"prompt_tokens": 9, "completion_tokens": 4}}).encode(),
        ]
    )  # fmt: skip
    read = events(written + writer.end())
    assert [event["type"].removeprefix("content_") for event in read] == [
        "ping", "message_start",
        "block_start", "block_delta", "block_delta", "block_stop",
        "block_start", "block_delta", "block_delta", "block_stop",
        "block_start", "block_delta", "block_stop",
        "block_start", "block_delta", "block_stop",
        "message_delta", "message_stop",
    ]  # fmt: skip
    assert read[1]["message"]["usage"]["input_tokens"] == 7
    assert [event["index"] for event in read if event["type"] == "content_block_start"] == [0, 1, 2, 3]
    assert read[-2]["delta"]["stop_reason"] == "tool_use"
    assert read[-2]["usage"]["output_tokens"] == 4


def test_an_empty_stream_is_still_a_message() -> None:
    kinds = [event["type"] for event in events(MessageWriter("m").end())]
    assert kinds == ["message_start", "message_delta", "message_stop"]


def test_a_broken_stream_ends_in_an_error_event() -> None:
    problem = Unavailable("The run went away", "it was killed", "ask again").problem
    (event,) = events(MessageWriter("m").failed(problem, 503))
    assert event["error"]["type"] == "overloaded_error"


_DEEP = "[" * 100_000


@pytest.mark.parametrize(
    ("arguments", "given"),
    [
        ('{"at": 1}', {"at": 1}),
        ("{at", {"arguments": "{at"}),
        ("", {}),
        ('["at"]', {"arguments": '["at"]'}),
        (_DEEP, {"arguments": _DEEP}),
    ],
)
def test_tool_calls_are_blocks_with_their_input(arguments: str, given: dict[str, Any]) -> None:
    call = {"id": "t", "type": "function", "function": {"name": "look", "arguments": arguments}}
    said = {"choices": [{"message": {"content": None, "tool_calls": [call]}, "finish_reason": "tool_calls"}]}
    message = whole(said, "m")
    block = {"type": "tool_use", "id": "t", "name": "look", "input": given, "caller": {"type": "direct"}}
    assert message["content"] == [block]
    assert message["stop_reason"] == "tool_use"


def test_thoughts_between_tags_are_blocks_of_their_own() -> None:
    said = {"choices": [{"message": {"content": "<think>hm</think>yes"}, "finish_reason": "stop"}]}
    message = read(asked(model="m")).whole(said)
    assert isinstance(message, dict)
    assert message["content"] == [
        {"type": "thinking", "thinking": "hm", "signature": _SIGNATURE},
        {"type": "text", "text": "yes", "citations": None},
    ]
    make = read(asked(model="m", stream=True)).writer
    assert make is not None
    writer = make()
    said_in_pieces = [chunk({"content": text}) for text in ("<th", "ink>hm</", "think>\n", "yes")]
    told = events(writer.feed(said_in_pieces) + writer.end())
    deltas = [event["delta"] for event in told if event["type"] == "content_block_delta"]
    assert deltas == [
        {"type": "thinking_delta", "thinking": "hm"},
        {"type": "signature_delta", "signature": _SIGNATURE},
        {"type": "text_delta", "text": "yes"},
    ]


def test_a_stream_of_half_a_tag_is_text() -> None:
    make = read(asked(model="m", stream=True)).writer
    assert make is not None
    writer = make()
    told = events(writer.feed([chunk({"content": "<thi"})]) + writer.end())
    assert [e["delta"]["text"] for e in told if e["type"] == "content_block_delta"] == ["<thi"]
    assert told[-1]["type"] == "message_stop"


def test_what_was_counted_before_begins_the_stream_and_the_engine_has_the_last_word() -> None:
    writer = MessageWriter("m", 7)
    used = {"prompt_tokens": 9, "completion_tokens": 1}
    read = events(writer.feed([chunk({"content": "a"}), chunk(reason="stop", usage=used)]) + writer.end())
    assert read[0]["message"]["usage"]["input_tokens"] == 7
    assert read[-2]["usage"]["input_tokens"] == 9


def test_an_engine_that_counts_more_from_the_cache_than_there_was_owes_no_tokens() -> None:
    used = {"prompt_tokens": 3, "completion_tokens": 1, "prompt_tokens_details": {"cached_tokens": 5}}
    said = whole({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}], "usage": used}, "m")["usage"]
    writer = MessageWriter("m")
    read = events(writer.feed([chunk({"content": "a"}, usage=used)]) + writer.end())
    for told in (said, read[-2]["usage"]):
        assert (told["input_tokens"], told["cache_read_input_tokens"]) == (0, 3)


def test_images_of_a_tool_are_shown_after_its_text() -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "seen"}, image]}
    tool, shown = chat_of(asked(messages=[{"role": "user", "content": [result]}]))["messages"]
    assert (tool["role"], tool["content"]) == ("tool", "seen")
    assert shown["content"] == [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]


def test_documents_and_search_results_are_read_as_text() -> None:
    content = [
        {"type": "document", "title": "Sky", "context": "A note.", "source": {"type": "text", "data": "It is green."}},
        {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "So is grass."}]}},
        {"type": "search_result", "title": "Sea", "source": "x", "content": [{"type": "text", "text": "It is blue."}]},
        {"type": "text", "text": "What is green?"},
    ]
    [message] = chat_of(asked(messages=[{"role": "user", "content": content}]))["messages"]
    assert message["content"] == "Sky\nA note.\nIt is green.\nSo is grass.\nSea\nx\nIt is blue.\nWhat is green?"
    result = {"type": "tool_result", "tool_use_id": "t", "content": content[:1]}
    [tool] = chat_of(asked(messages=[{"role": "user", "content": [result]}]))["messages"]
    assert tool["content"] == "Sky\nA note.\nIt is green."


def test_an_answer_fits_the_schema_that_was_asked_for() -> None:
    schema = {"type": "object"}
    wanted = {"type": "json_schema", "schema": schema}
    for fields in ({"output_config": {"format": wanted}}, {"output_format": wanted}):
        body = chat_of(asked(**fields))
        assert body["response_format"]["json_schema"] == {"name": "answer", "schema": schema, "strict": True}


@pytest.mark.parametrize("kind", ["redacted_thinking", "server_tool_use", "web_search_tool_result", "mcp_tool_result"])
def test_a_chat_that_began_at_anthropic_goes_on(kind: str) -> None:
    content = [{"type": kind, "data": "x"}, {"type": "text", "text": "hello"}]
    [turn] = chat_of(asked(messages=[{"role": "assistant", "content": content}]))["messages"]
    assert turn == {"role": "assistant", "content": "hello"}


def test_a_thought_is_no_longer_than_its_budget() -> None:
    body = chat_of(asked(thinking={"type": "enabled", "budget_tokens": 2000}))
    assert body["thinking_budget_tokens"] == 2000
    for other in ({"type": "disabled", "budget_tokens": 2000}, {"type": "adaptive"}):
        assert "thinking_budget_tokens" not in chat_of(asked(thinking=other))


@pytest.mark.parametrize(
    "told", [{"__verbose": {"stop_type": "word", "stopping_word": "END"}}, {"choice": {"stop_reason": "END"}}]
)
def test_the_sequence_that_ended_an_answer_is_named(told: dict[str, Any]) -> None:
    """As llama.cpp tells it, and as vLLM does."""
    choice = {"delta": {}, "finish_reason": "stop"} | told.pop("choice", {})
    writer = MessageWriter("m")
    read = events(
        writer.feed([chunk({"content": "a"}), json.dumps({"choices": [choice]} | told).encode()]) + writer.end()
    )
    assert (read[-2]["delta"]["stop_reason"], read[-2]["delta"]["stop_sequence"]) == ("stop_sequence", "END")


def test_an_answer_that_ended_by_itself_names_no_sequence() -> None:
    verbose = {"__verbose": {"stop_type": "eos", "stopping_word": ""}}
    said = whole({"choices": [{"message": {"content": "a"}, "finish_reason": "stop"}]} | verbose, "m")
    assert (said["stop_reason"], said["stop_sequence"]) == ("end_turn", None)
