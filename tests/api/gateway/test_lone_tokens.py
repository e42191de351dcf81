"""How likely tokens were, of whom no others are asked."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.dialects import openai_chat

_TOKENS = {"content": [{"token": "a", "logprob": -0.5, "top_logprobs": [{"token": "b", "logprob": -0.1}]}]}


def asked(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], "logprobs": True, **more}


@pytest.mark.parametrize("more", [{}, {"top_logprobs": 0}, {"top_logprobs": None}])
def test_engines_compare_each_with_one_that_the_client_is_not_told(more: dict[str, Any]) -> None:
    exchange = openai_chat.read(asked(**more, stream=True))
    assert exchange.body["top_logprobs"] == 1
    whole = exchange.whole({"choices": [{"message": {"content": "a"}, "logprobs": json.loads(json.dumps(_TOKENS))}]})
    assert isinstance(whole, dict)
    assert whole["choices"][0]["logprobs"]["content"] == [{"token": "a", "logprob": -0.5, "top_logprobs": []}]
    assert exchange.writer is not None
    chunk = {"choices": [{"index": 0, "delta": {"content": "a"}, "logprobs": _TOKENS, "finish_reason": None}]}
    [said] = exchange.writer().feed([json.dumps(chunk).encode()]).decode().strip().split("\n\n")
    assert json.loads(said.removeprefix("data: "))["choices"][0]["logprobs"]["content"][0]["top_logprobs"] == []


def test_others_are_told_to_who_asks_for_them() -> None:
    exchange = openai_chat.read(asked(top_logprobs=2))
    assert exchange.body["top_logprobs"] == 2
    whole = exchange.whole({"choices": [{"message": {"content": "a"}, "logprobs": _TOKENS}]})
    assert isinstance(whole, dict)
    assert whole["choices"][0]["logprobs"] == _TOKENS
