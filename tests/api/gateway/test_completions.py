"""OpenAI's older completions: probabilities as lists, the count in a chunk of its own, no filling in."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api.gateway.dialects.openai_completions import TextWriter, read
from shared.errors import InvalidParameters
from tests.api.gateway.test_well_formed import BIASES, NO_BIASES

_COUNT = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def token(text: str, logprob: float = -0.5) -> dict[str, Any]:
    """As llama.cpp tells of one token."""
    return {"token": text, "logprob": logprob, "top_logprobs": [{"token": text, "logprob": logprob}]}


def chunk(text: str, index: int = 0, **more: Any) -> bytes:
    return json.dumps({"choices": [{"text": text, "index": index, "finish_reason": None}], **more}).encode()


def heard(written: bytes) -> list[dict[str, Any]]:
    *events, done = written.decode().strip().split("\n\n")
    assert done == "data: [DONE]"
    return [json.loads(event.removeprefix("data: ")) for event in events]


def test_probabilities_are_lists() -> None:
    said = {"choices": [{"text": "ab", "logprobs": {"content": [token("a"), token("b", -1.0)]}}]}
    whole = read({"prompt": "x"}).whole(said)
    assert isinstance(whole, dict)
    assert whole["choices"][0]["logprobs"] == {
        "tokens": ["a", "b"],
        "token_logprobs": [-0.5, -1.0],
        "top_logprobs": [{"a": -0.5}, {"b": -1.0}],
        "text_offset": [0, 1],
    }


def test_places_go_on_from_chunk_to_chunk_for_each_choice() -> None:
    def piece(text: str, index: int) -> bytes:
        choice = {"text": text, "index": index, "logprobs": {"content": [token(text)]}}
        return json.dumps({"choices": [choice]}).encode()

    writer = TextWriter(usage=False, choices=2)
    said = heard(writer.feed([piece("one", 0), piece("a", 1), piece("two", 0), piece("b", 1)]) + writer.end())
    assert [one["choices"][0]["logprobs"]["text_offset"] for one in said[:4]] == [[0], [0], [3], [1]]


@pytest.mark.parametrize("asked", [True, False])
def test_the_count_is_the_last_chunk_and_has_no_choices(asked: bool) -> None:
    writer = TextWriter(usage=asked)
    last = {"choices": [{"text": "b", "index": 0, "finish_reason": "stop"}], "usage": _COUNT}
    said = heard(writer.feed([chunk("a"), json.dumps(last).encode()]) + writer.end())
    assert [one["choices"][0]["text"] for one in said[:2]] == ["a", "b"]
    assert not any("usage" in one for one in said[:2])
    assert [(one["choices"], one["usage"]) for one in said[2:]] == [([], _COUNT)] * asked


def test_what_is_counted_choice_by_choice_adds_up() -> None:
    writer = TextWriter(usage=True, choices=2)
    said = heard(writer.feed([chunk("a", 1, usage=_COUNT), chunk("b", 0, usage=_COUNT)]) + writer.end())
    assert said[-1]["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


@pytest.mark.parametrize("prompt", [None, 5, {"text": "a"}, []])
def test_nothing_to_go_on_with_is_refused_before_a_run_is_asked(prompt: object) -> None:
    with pytest.raises(InvalidParameters) as raised:
        read({"prompt": prompt})
    assert (raised.value.problem.details["field"], raised.value.problem.fix) == ("prompt", "give a text")


def test_filling_in_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="suffix"):
        read({"prompt": "a", "suffix": "b"})
    assert read({"prompt": "a", "suffix": None}).body["prompt"] == "a"


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("temperature", "hot"),
        ("max_tokens", "many"),
        ("max_tokens", 0),
        *(("stop", wrong) for wrong in ([1], 5, [None], [[1]], True, {"a": 1})),
        *(("logit_bias", wrong) for wrong in NO_BIASES),
    ],
)
def test_fields_that_are_wrong_are_told_by_their_names(field: str, wrong: object) -> None:
    with pytest.raises(InvalidParameters) as refused:
        read({"prompt": "a", field: wrong})
    assert refused.value.problem.details["field"] == field


@pytest.mark.parametrize("bias", BIASES)
def test_tokens_are_favoured_in_every_form_that_llama_cpp_takes(bias: Any) -> None:
    assert read({"prompt": "a", "logit_bias": bias}).body == {"prompt": "a", "logit_bias": bias}


@pytest.mark.parametrize(
    ("given", "sent"), [(None, {}), ("", {}), ("b", {"stop": ["b"]}), (["", "b"], {"stop": ["b"]})]
)
def test_what_ends_a_text_is_sent_as_a_list(given: Any, sent: dict[str, Any]) -> None:
    assert read({"prompt": "a", "stop": given}).body == {"prompt": "a"} | sent


@pytest.mark.parametrize(("limit", "sent"), [(1, {"max_tokens": 1}), (-1, {}), (None, {"max_tokens": None})])
def test_a_limit_of_less_than_nothing_is_none(limit: int | None, sent: dict[str, Any]) -> None:
    assert read({"prompt": "a", "max_tokens": limit}).body == {"prompt": "a"} | sent


def test_only_the_best_of_many_is_refused() -> None:
    with pytest.raises(InvalidParameters, match="best_of"):
        read({"prompt": "a", "best_of": 3, "n": 2})
    assert "best_of" not in read({"prompt": "a", "best_of": 2, "n": 2}).body


def test_an_answer_repeats_the_prompt_for_who_wants_it() -> None:
    said = {"id": "chatcmpl-1", "choices": [{"text": f" {number}", "index": number} for number in range(4)]}
    whole = read({"prompt": ["one", "two"], "n": 2, "echo": True}).whole(said)
    assert isinstance(whole, dict)
    assert [choice["text"] for choice in whole["choices"]] == ["one 0", "one 1", "two 2", "two 3"]
    assert whole["id"] == "cmpl-1"


def test_a_stream_repeats_the_prompt_once_for_each_choice() -> None:
    exchange = read({"prompt": "x", "n": 2, "echo": True, "stream": True})
    assert exchange.writer is not None
    writer = exchange.writer()
    said = heard(writer.feed([chunk("a"), chunk("b", 1), chunk("c"), chunk("d", 1)]) + writer.end())
    assert [one["choices"][0]["text"] for one in said[:4]] == ["xa", "xb", "c", "d"]


@pytest.mark.parametrize("more", [{"logprobs": 1}, {"prompt": [1, 2]}, {"prompt": [[1], [2]]}])
def test_what_is_not_known_of_a_prompt_is_not_repeated(more: dict[str, Any]) -> None:
    with pytest.raises(InvalidParameters, match="echo"):
        read({"prompt": "a", "echo": True} | more)


def test_tokens_that_are_compared_with_none_are_told_all_the_same() -> None:
    exchange = read({"model": "m", "prompt": "p", "logprobs": 0})
    assert exchange.body["logprobs"] == 1
    whole = exchange.whole({"choices": [{"text": "a", "logprobs": {"content": [token("a")]}}]})
    assert isinstance(whole, dict)
    told = whole["choices"][0]["logprobs"]
    assert (told["tokens"], told["token_logprobs"], told["top_logprobs"]) == (["a"], [-0.5], None)


_ENDS = [("stop", "stop"), ("eos", "stop"), ("length", "length"), (None, "stop")]


@pytest.mark.parametrize(("engine", "client"), _ENDS)
def test_every_answer_ends_for_a_reason_of_openais(engine: str | None, client: str) -> None:
    whole = read({"prompt": "x"}).whole({"choices": [{"text": "a", "finish_reason": engine}]})
    assert isinstance(whole, dict)
    assert [choice["finish_reason"] for choice in whole["choices"]] == [client]
    last = json.dumps({"id": "x", "choices": [{"text": "", "finish_reason": engine}], "usage": _COUNT}).encode()
    writer = TextWriter(usage=True)
    said = heard(writer.feed([chunk("a"), last]) + writer.end())
    assert [choice["finish_reason"] for one in said for choice in one["choices"]][-1] == client
    assert "".join(choice["text"] for one in said for choice in one["choices"]) == "a"
    assert (said[-1]["choices"], said[-1]["usage"]) == ([], _COUNT)
