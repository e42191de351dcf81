"""Streams put together again."""

from __future__ import annotations

from typing import Any

from shared.assembly import Assembly


def choice(index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


def assemble(*chunks: dict[str, Any]) -> Assembly:
    assembly = Assembly()
    for chunk in chunks:
        assembly.add(chunk)
    return assembly


def test_text_and_reasoning_are_joined_and_told_apart() -> None:
    assembly = Assembly()
    told = [
        assembly.add({"id": "x", "choices": [choice(role="assistant")]}),
        assembly.add({"choices": [choice(reasoning_content="hm")], "usage": None}),
        assembly.add({"choices": [choice(content="yes")]}),
        assembly.add({"choices": [choice(finish="stop")]}),
        assembly.add({"choices": [], "usage": {"completion_tokens": 2}, "timings": {"predicted_n": 2}}),
    ]
    assert told == [("", ""), ("", "hm"), ("yes", ""), ("", ""), ("", "")]
    response = assembly.response()
    message = {"role": "assistant", "content": "yes", "reasoning_content": "hm"}
    assert response["choices"] == [{"index": 0, "finish_reason": "stop", "message": message}]
    assert (response["usage"], response["timings"]) == ({"completion_tokens": 2}, {"predicted_n": 2})


def test_tool_calls_are_put_together_by_index() -> None:
    assembly = assemble(
        {"choices": [choice(tool_calls=[{"index": 0, "id": "a", "function": {"name": "add", "arguments": '{"x"'}}])]},
        {"choices": [choice(tool_calls=[{"index": 1, "id": "b", "function": {"name": "sub", "arguments": "{}"}}])]},
        {"choices": [choice(tool_calls=[{"index": 0, "function": {"arguments": ": 1}"}}])]},
        {"choices": [choice(finish="tool_calls")]},
    )
    calls = assembly.response()["choices"][0]["message"]["tool_calls"]
    assert [(call["id"], call["function"]["arguments"]) for call in calls] == [("a", '{"x": 1}'), ("b", "{}")]


def test_what_comes_in_any_order_is_told_in_order() -> None:
    calls = [{"index": index, "id": str(index), "function": {"name": "add", "arguments": "{}"}} for index in (1, 0)]
    response = assemble({"choices": [choice(1, content="b")]}, {"choices": [choice(0, tool_calls=calls)]}).response()
    assert [each["index"] for each in response["choices"]] == [0, 1]
    assert [call["id"] for call in response["choices"][0]["message"]["tool_calls"]] == ["0", "1"]


def test_what_was_said_once_is_not_unsaid_by_a_null() -> None:
    response = assemble(
        {"choices": [choice(finish="length", content="a")], "timings": {"predicted_n": 1}},
        {"choices": [choice()], "timings": None},
    ).response()
    assert (response["choices"][0]["finish_reason"], response["timings"]) == ("length", {"predicted_n": 1})


def test_a_stream_is_finished_when_every_choice_is() -> None:
    assert not Assembly().finished
    assert not assemble({"choices": [choice(finish="stop"), choice(1, content="…")]}).finished
    assert assemble({"choices": [choice(finish="stop"), choice(1, finish="length")]}).finished


def test_completions_keep_their_own_shape() -> None:
    assembly = assemble(
        {"choices": [{"index": 0, "text": "a", "finish_reason": None}]},
        {"choices": [{"index": 0, "text": "b", "finish_reason": "length"}]},
    )
    response = assembly.response()
    assert response["object"] == "text_completion"
    assert response["choices"] == [{"index": 0, "finish_reason": "length", "text": "ab"}]


def test_probabilities_of_all_tokens_are_one_list() -> None:
    response = assemble(
        {"choices": [choice(content="a") | {"logprobs": {"content": [{"token": "a"}]}}]},
        {"choices": [choice(content="b") | {"logprobs": {"content": [{"token": "b"}]}}]},
        {"choices": [choice(finish="stop") | {"logprobs": None}]},
    ).response()
    assert response["choices"][0]["logprobs"] == {"content": [{"token": "a"}, {"token": "b"}]}


def test_choices_that_are_counted_one_by_one_add_up() -> None:
    assembly = Assembly(choices=2)
    for tokens in (3, 4):
        assembly.add({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": tokens}})
    used = assembly.response()["usage"]
    assert (used["prompt_tokens"], used["completion_tokens"], used["total_tokens"]) == (5, 7, 12)
