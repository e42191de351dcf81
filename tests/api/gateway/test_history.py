"""What a model reads again of what it thought."""

from __future__ import annotations

from typing import Any

import pytest

from api.gateway.anthropic.request import chat_of as anthropic_chat
from api.gateway.history import without_old_thoughts
from api.gateway.ollama.request import chat_of as ollama_chat
from api.gateway.responses.request import chat_of as responses_chat

_ASK: dict[str, Any] = {"role": "user", "content": "well?"}
_CALL: dict[str, Any] = {"id": "a", "type": "function", "function": {"name": "look", "arguments": "{}"}}


@pytest.mark.parametrize(
    "earlier",
    [
        {"role": "assistant", "content": "<think>hm</think>yes"},
        {"role": "assistant", "content": "hm\n</think>\n\nyes"},
        {"role": "assistant", "content": "yes", "reasoning_content": "hm"},
        {"role": "assistant", "content": "yes", "reasoning": "hm"},
    ],
)
def test_thoughts_of_turns_that_are_over_are_left_out(earlier: dict[str, Any]) -> None:
    assert without_old_thoughts([_ASK, earlier, _ASK]) == [_ASK, {"role": "assistant", "content": "yes"}, _ASK]


def test_an_answer_about_the_tags_stays_whole() -> None:
    earlier = {"role": "assistant", "content": "so:\n<think>\n2+2\n</think>\nThe answer is 4."}
    assert without_old_thoughts([_ASK, earlier, _ASK]) == [_ASK, earlier, _ASK]


def test_thoughts_of_a_turn_that_goes_on_stay_apart_from_the_text() -> None:
    called = {"role": "assistant", "content": "<think>hm</think>", "tool_calls": [_CALL]}
    result = {"role": "tool", "tool_call_id": "a", "content": "seen"}
    kept = {"role": "assistant", "content": "", "tool_calls": [_CALL], "reasoning_content": "hm"}
    assert without_old_thoughts([_ASK, called, result]) == [_ASK, kept, result]


def test_a_beginning_that_the_model_goes_on_with_stays() -> None:
    begun = {"role": "assistant", "content": "<think>\n"}
    assert without_old_thoughts([_ASK, begun]) == [_ASK, begun]


def test_what_is_no_message_of_a_model_stays_as_it_is() -> None:
    odd = [
        _ASK,
        3,
        None,
        {"role": "tool", "content": "<think>a</think>"},
        {"content": "x"},
        {"role": "assistant"},
        _ASK,
    ]
    assert without_old_thoughts(odd) == odd


def test_each_dialect_tells_of_the_thoughts_that_its_client_sends_back() -> None:
    use = {"type": "tool_use", "id": "a", "name": "look", "input": {}}
    anthropic = anthropic_chat(
        {
            "max_tokens": 1,
            "messages": [_ASK, {"role": "assistant", "content": [{"type": "thinking", "thinking": "hm"}, use]}],
        }
    )
    ollama = ollama_chat({"messages": [_ASK, {"role": "assistant", "content": "", "thinking": "hm"}]})
    reasoning = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "hm"}]}
    call = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
    responses = responses_chat({"input": [_ASK, reasoning, call]})
    for body in (anthropic, ollama, responses):
        assert body["messages"][1]["reasoning_content"] == "hm"


def test_what_was_said_and_called_in_one_turn_is_one_message() -> None:
    said = {"role": "assistant", "content": "let me see"}
    call = {"type": "function_call", "call_id": "a", "name": "look", "arguments": "{}"}
    seen = {"type": "function_call_output", "call_id": "a", "output": "seen"}
    body = responses_chat({"input": [_ASK, said, call, seen, said, said]})
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "tool", "assistant", "assistant"]
    assert body["messages"][1] == said | {"tool_calls": [_CALL]}
