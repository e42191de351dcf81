"""OpenAI's responses, translated to chats and back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.dialects.openai_responses import read
from api.gateway.responses.request import chat_of
from api.gateway.responses.stream import ResponseWriter
from shared.errors import InvalidParameters, Unavailable
from tests.api.fleet import Fleet
from tests.api.served import Served

_HELLO = {"role": "user", "content": "hello"}


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": "m", "input": "hello"} | fields


def chunk(delta: dict[str, Any] | None = None, reason: str | None = None, **more: Any) -> bytes:
    return json.dumps({"choices": [{"index": 0, "delta": delta or {}, "finish_reason": reason}], **more}).encode()


def events(written: bytes) -> list[dict[str, Any]]:
    """What a client reads; each event's line names the type of its data, and they are numbered from 0."""
    told = []
    for block in written.decode().strip().split("\n\n"):
        name, data = block.split("\n")
        told.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {told[-1]['type']}"
    assert [one["sequence_number"] for one in told] == list(range(len(told)))
    return told


def streamed(*chunks: bytes) -> list[dict[str, Any]]:
    writer = ResponseWriter(asked())
    return events(writer.feed(chunks) + writer.end())


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"instructions": "be brief"}, [{"role": "system", "content": "be brief"}, _HELLO]),
        ({"input": [{"role": "developer", "content": "be brief"}]}, [{"role": "system", "content": "be brief"}]),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": "hello"}]}]}, [_HELLO]),
        (
            {"input": [
                {"type": "reasoning", "id": "rs_1", "summary": []},
                {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"},
                {"type": "function_call", "call_id": "b", "name": "look", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "a", "output": "seen"},
            ]},
            [
                {"role": "assistant", "content": None, "tool_calls": [
                    {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                    {"id": "b", "type": "function", "function": {"name": "look", "arguments": "{}"}},
                ]},
                {"role": "tool", "tool_call_id": "a", "content": "seen"},
            ],
        ),
        (
            {"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,x"}]}]},
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,x"}}]}],
        ),
    ],
)  # fmt: skip
def test_input_becomes_messages(given: dict[str, Any], sent: list[Any]) -> None:
    assert chat_of(asked(**given))["messages"] == sent


def test_formats_limits_and_tools_are_the_engines_words() -> None:
    schema = {"type": "json_schema", "name": "n", "schema": {"type": "object"}, "strict": True}
    tools = [{"type": "function", "name": "look", "parameters": {"type": "object"}}, {"type": "web_search"}]
    choice = {"type": "function", "name": "look"}
    body = chat_of(asked(text={"format": schema}, max_output_tokens=9, tools=tools, tool_choice=choice))
    assert body["response_format"]["json_schema"] == {"name": "n", "schema": {"type": "object"}, "strict": True}
    assert body["max_tokens"] == 9
    assert [tool["function"]["name"] for tool in body["tools"]] == ["look"]
    assert body["tool_choice"] == {"type": "function", "function": {"name": "look"}}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": None}, "input"),
        ({"input": 3}, "input"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input.0"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_image", "image_url": "http://a/b"}]}]}, "input.0"),
        ({"input": [{"role": "user", "content": [{"type": "input_text", "text": 5}]}]}, "text"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"include": ["everything"]}, "include"),
        ({"include": [3]}, "include"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"tools": [{"type": "function"}]}, "tools.0.name"),
        ({"tools": [{"type": "function", "name": "a"}], "tool_choice": 3}, "tool_choice"),
    ],
)
def test_what_cannot_be_done_is_explained(given: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidParameters) as refused:
        chat_of(asked(**given))
    assert refused.value.problem.details["field"] == field


def test_a_text_is_added_filled_and_done_in_order() -> None:
    told = streamed(chunk({"content": "a"}), chunk({"content": "b"}), chunk(reason="stop", usage={"prompt_tokens": 3}))
    assert [one["type"].removeprefix("response.") for one in told] == [
        "created", "in_progress", "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    final = told[-1]["response"]
    assert final["output"][0]["content"][0]["text"] == "ab"
    assert final["usage"]["input_tokens"] == 3
    assert len({one["item_id"] for one in told if "item_id" in one} | {final["output"][0]["id"]}) == 1


def test_thoughts_and_parallel_calls_are_items_of_their_own() -> None:
    def call(index: int, **more: Any) -> bytes:
        return chunk({"tool_calls": [{"index": index, **more}]})

    told = streamed(
        chunk({"reasoning_content": "hm"}),
        call(0, id="a", function={"name": "look", "arguments": ""}),
        call(0, function={"arguments": "{}"}),
        call(1, id="b", function={"name": "look", "arguments": "{}"}),
        chunk(reason="tool_calls"),
    )
    output = told[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "function_call", "function_call"]
    assert [item.get("call_id") for item in output] == [None, "a", "b"]
    assert [item.get("arguments") for item in output] == [None, "{}", "{}"]
    added = [one["output_index"] for one in told if one["type"] == "response.output_item.added"]
    assert added == [0, 1, 2]


def test_thoughts_are_a_summary_for_who_wants_one() -> None:
    request = asked(reasoning={"summary": "auto"}, stream=True)
    whole = read(request).whole({"choices": [{"message": {"content": "yes", "reasoning_content": "hm"}}]})
    assert isinstance(whole, dict)
    assert whole["output"][0]["summary"] == [{"type": "summary_text", "text": "hm"}]
    writer = ResponseWriter(request)
    told = events(writer.feed([chunk({"reasoning_content": "hm"}), chunk({"content": "yes"})]) + writer.end())
    assert [one["type"].removeprefix("response.") for one in told][2:8] == [
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
    ]  # fmt: skip
    assert told[-1]["response"]["output"][0]["summary"] == whole["output"][0]["summary"]
    # And it is read again as the thought that it is.
    item = whole["output"][0]
    call = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
    assert chat_of(asked(input=[_HELLO, item, call]))["messages"][1]["reasoning_content"] == "hm"


def test_a_thought_that_a_limit_cuts_off_is_all_there_is() -> None:
    whole = read(asked()).whole({"choices": [{"message": {"reasoning_content": "hm"}, "finish_reason": "length"}]})
    assert isinstance(whole, dict)
    *_, final = streamed(chunk({"reasoning_content": "hm"}), chunk(reason="length"))
    for response in (whole, final["response"]):
        assert [item["type"] for item in response["output"]] == ["reasoning"]
        assert response["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_limit_makes_a_response_incomplete() -> None:
    *_, item, final = streamed(chunk({"content": "a"}), chunk(reason="length"))
    assert item["item"] == final["response"]["output"][0]
    assert item["item"]["status"] == "incomplete"
    assert (final["type"], final["response"]["status"]) == ("response.incomplete", "incomplete")
    assert final["response"]["incomplete_details"] == {"reason": "max_output_tokens"}


def test_a_failure_in_mid_stream_is_an_event() -> None:
    writer = ResponseWriter(asked())
    told = events(
        writer.feed([chunk({"content": "a"})]) + writer.failed(Unavailable("It broke", "b", "c").problem, 503)
    )
    assert told[-1]["type"] == "response.failed"
    assert told[-1]["response"]["error"]["code"] == "unavailable"


def test_a_whole_answer_says_what_was_asked() -> None:
    said = read(asked(instructions="be brief", temperature=0.5)).whole(
        {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": {"completion_tokens": 1}}
    )
    assert isinstance(said, dict)
    assert (said["object"], said["status"], said["store"]) == ("response", "completed", False)
    assert (said["instructions"], said["temperature"]) == ("be brief", 0.5)
    assert said["output"][0]["content"][0]["text"] == "yes"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", ""), ("POST", "/cancel")]
)
def test_no_response_can_be_found_again(door: Served, method: str, path: str) -> None:
    answer = door.client.request(method, f"/v1/responses/resp_1{path}")
    assert (answer.status_code, set(answer.json()["error"])) == (404, {"message", "type", "param", "code"})
    assert "not kept" in answer.json()["error"]["message"]


def test_who_names_no_model_is_told_which_answers_for_all() -> None:
    said = read({"input": "hello"}).whole({"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}]})
    assert isinstance(said, dict)
    assert said["model"] == "default"


def test_a_prompt_is_counted_before_it_is_asked(door: Served, fleet: Fleet) -> None:
    def tokens(**more: Any) -> int:
        said = door.post("/v1/responses/input_tokens", asked(model="echo", **more)).json()
        assert said["object"] == "response.input_tokens"
        return int(said["input_tokens"])

    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    assert 0 < tokens() < tokens(instructions="be brief") < tokens(instructions="be brief", tools=[tool])
    assert not door.get("/v1/runs").json()["data"]
    assert door.post("/v1/responses/input_tokens", {"model": "echo"}).json()["error"]["param"] == "input"


_LIKELY = {"include": ["message.output_text.logprobs"], "top_logprobs": 1}


def tokens(*texts: str) -> dict[str, Any]:
    """As engines tell them: compared with two others, without bytes."""
    others = [{"token": text, "logprob": -1.0} for text in "xy"]
    return {"content": [{"token": text, "logprob": -0.5, "top_logprobs": others} for text in texts]}


def test_how_likely_each_token_was_is_told_to_who_includes_it() -> None:
    exchange = read(asked(**_LIKELY))
    assert (exchange.body["logprobs"], exchange.body["top_logprobs"]) == (True, 1)
    message = {"reasoning_content": "hm", "content": "a é"}
    whole = exchange.whole({"choices": [{"message": message, "logprobs": tokens("hm", "a", " é")}]})
    assert isinstance(whole, dict)
    [part] = whole["output"][1]["content"]
    assert [token["token"] for token in part["logprobs"]] == ["a", " é"]
    assert part["logprobs"][1] == {
        "token": " é", "bytes": [32, 195, 169], "logprob": -0.5,
        "top_logprobs": [{"token": "x", "bytes": [120], "logprob": -1.0}],
    }  # fmt: skip
    assert whole["top_logprobs"] == 1


def test_a_stream_tells_of_each_piece_how_likely_it_was_and_of_all_at_the_end() -> None:
    def piece(delta: dict[str, Any], *texts: str) -> bytes:
        return json.dumps({"choices": [{"index": 0, "delta": delta, "logprobs": tokens(*texts)}]}).encode()

    writer = ResponseWriter(asked(**_LIKELY))
    said = [
        piece({"reasoning_content": "hm"}, "hm"),
        piece({}, "a"),
        piece({"content": "ab"}, "b"),
        piece({"content": "c"}, "c"),
    ]
    told = events(writer.feed([*said, chunk(reason="stop")]) + writer.end())
    deltas = [one["logprobs"] for one in told if one["type"] == "response.output_text.delta"]
    assert [[token["token"] for token in each] for each in deltas] == [["a", "b"], ["c"]]
    [done] = [one for one in told if one["type"] == "response.output_text.done"]
    [part] = told[-1]["response"]["output"][1]["content"]
    assert [token["token"] for token in done["logprobs"]] == ["a", "b", "c"]
    assert part["logprobs"] == done["logprobs"]


def test_who_does_not_include_it_is_not_told_how_likely_tokens_were() -> None:
    exchange = read(asked(include=["reasoning.encrypted_content"], top_logprobs=2))
    assert "logprobs" not in exchange.body
    whole = exchange.whole({"choices": [{"message": {"content": "a"}, "logprobs": tokens("a")}]})
    assert isinstance(whole, dict)
    assert whole["output"][0]["content"][0]["logprobs"] == []
