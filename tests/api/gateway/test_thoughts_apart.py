"""Thoughts in a field of their own, for every dialect and however an engine tells them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.gateway.dialects import ollama_chat, openai_chat, openai_responses
from api.gateway.exchange import Beginning
from api.gateway.ollama.request import chat_of
from api.gateway.thoughts_apart import ThoughtsApart
from shared.requests import CHAT

_HELLO = [{"role": "user", "content": "hello"}]
_TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<thi", "nk>", "</", "\n", " ", "a", "é", '"reasoning"']), max_size=10
).map("".join)


def chunk(delta: dict[str, Any], reason: str | None = None, index: int = 0, **more: Any) -> bytes:
    return json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": reason}], **more}).encode()


def told(mend: ThoughtsApart, *events: bytes) -> list[dict[str, Any]]:
    """The deltas of the mended chunks, also of those that were held back."""
    mended = [one for event in events for one in mend.chunk(event)] + list(mend.rest())
    return [choice["delta"] for one in mended for choice in json.loads(one)["choices"]]


def joined(deltas: list[dict[str, Any]], field: str) -> str:
    return "".join(delta.get(field) or "" for delta in deltas)


def whole(**message: Any) -> dict[str, Any]:
    return {"choices": [{"message": {"role": "assistant", **message}, "finish_reason": "stop"}]}


def test_tags_across_chunks_are_a_field() -> None:
    texts = ["<th", "ink>\nhm", "</th", "ink>\n\n", "yes", " <think>"]
    deltas = told(ThoughtsApart(), *(chunk({"content": text}) for text in texts))
    assert (joined(deltas, "reasoning_content"), joined(deltas, "content")) == ("hm", "yes <think>")
    assert all(deltas), "nothing is told while it is held back"


def test_a_thought_that_the_prompt_has_opened_ends_at_the_tag() -> None:
    mend = ThoughtsApart(beginning=Beginning(inside=True))
    deltas = told(
        mend, *(chunk({"content": text}) for text in ("hm", "</thi", "nk>", "\n\n", "yes")), chunk({}, "stop")
    )
    assert (joined(deltas, "reasoning_content"), joined(deltas, "content")) == ("hm", "yes")
    said = ThoughtsApart(beginning=Beginning(inside=True)).whole(whole(content="hm</think>yes"))
    assert said["choices"][0]["message"] == {"role": "assistant", "content": "yes", "reasoning_content": "hm"}


def test_a_thought_that_the_prompt_has_opened_may_be_cut_off() -> None:
    deltas = told(ThoughtsApart(beginning=Beginning(inside=True)), chunk({"content": "hm"}), chunk({}, "length"))
    assert (joined(deltas, "reasoning_content"), joined(deltas, "content")) == ("hm", "")
    cut = whole(content="hm")
    cut["choices"][0]["finish_reason"] = "length"
    said = ThoughtsApart(beginning=Beginning(inside=True)).whole(cut)
    assert said["choices"][0]["message"] == {"role": "assistant", "content": "", "reasoning_content": "hm"}


def test_an_answer_that_ends_without_the_tag_is_an_answer() -> None:
    mend = ThoughtsApart(beginning=Beginning(inside=True))
    deltas = told(mend, chunk({"content": "just "}), chunk({"content": "so </"}), chunk({"content": "b>"}, "stop"))
    assert joined(deltas, "content") == "just so </b>"
    said = ThoughtsApart(beginning=Beginning(inside=True)).whole(whole(content="just so"))
    assert said["choices"][0]["message"]["content"] == "just so"


def test_an_engine_that_puts_thoughts_apart_is_trusted_with_them() -> None:
    mend = ThoughtsApart(beginning=Beginning(inside=True))
    deltas = told(mend, chunk({"reasoning_content": "hm"}), chunk({"content": "yes"}), chunk({}, "stop"))
    assert (joined(deltas, "reasoning_content"), joined(deltas, "content")) == ("hm", "yes")


def test_an_unclosed_thought_goes_on_to_the_end() -> None:
    deltas = told(ThoughtsApart(), chunk({"content": "<think>hm </thi"}), chunk({}, "length"))
    assert joined(deltas, "reasoning_content") == "hm </thi"
    assert not joined(deltas, "content")


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
def test_what_the_engine_puts_apart_has_one_name_and_its_text_stays(name: str) -> None:
    deltas = told(ThoughtsApart(), chunk({name: "h"}), chunk({name: "m"}), chunk({"content": "<think>"}))
    assert deltas == [{"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": "<think>"}]
    message = ThoughtsApart().whole(whole(content="<think>", **{name: "hm"}))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "<think>", "reasoning_content": "hm"}


def test_who_wants_no_thoughts_gets_none() -> None:
    mend = ThoughtsApart(keep=False)
    events = [chunk({"content": "<think>hm</think>yes"}), chunk({"reasoning_content": "late"}), chunk({}, "stop")]
    deltas = told(mend, *events)
    assert deltas == [{"content": "yes"}, {}]
    message = ThoughtsApart(keep=False).whole(whole(content="<think>hm</think>yes"))["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "yes"}


def test_answers_to_one_request_think_apart() -> None:
    mend = ThoughtsApart(choices=2)
    deltas = told(mend, chunk({"content": "yes"}), chunk({"content": "<think>hm"}, index=1), chunk({"content": "!"}))
    assert deltas == [{"content": "yes"}, {"reasoning_content": "hm"}, {"content": "!"}]


def test_calls_and_counts_go_through_with_what_was_held_back() -> None:
    call = {"tool_calls": [{"index": 0, "id": "a"}]}
    assert told(ThoughtsApart(), chunk({"content": "<thi"}), chunk(call)) == [{"content": "<thi", **call}]
    last = json.dumps({"choices": [], "usage": {"prompt_tokens": 1}}).encode()
    assert json.loads(ThoughtsApart().chunk(last)[0]) == json.loads(last)


def test_an_answer_goes_through_unread() -> None:
    mend = ThoughtsApart()
    mend.chunk(chunk({"content": "a"}))
    odd = b'{"choices":[ {"index":0,"delta":{"content":"b"}} ]}'
    assert mend.chunk(odd) == (odd,)


@given(_TEXTS, st.integers(1, 5))
def test_a_stream_says_what_an_uncut_one_says(text: str, step: int) -> None:
    cut = [chunk({"content": text[start : start + step]}) for start in range(0, len(text), step)]
    pieces, at_once = told(ThoughtsApart(), *cut), told(ThoughtsApart(), chunk({"content": text}))
    for field in ("content", "reasoning_content"):
        assert joined(pieces, field) == joined(at_once, field)


@pytest.mark.parametrize(
    "text", ["so:\n<think>\nhm\n</think>\nyes", "<think>hm</think>\nso:\n<think>\nhm\n</think>\nyes", "plain"]
)
def test_a_whole_answer_says_what_a_streamed_one_says(text: str) -> None:
    message = ThoughtsApart().whole(whole(content=text))["choices"][0]["message"]
    deltas = told(ThoughtsApart(), *(chunk({"content": letter}) for letter in text), chunk({}, "stop"))
    for field in ("content", "reasoning_content"):
        assert joined(deltas, field) == message.get(field, "")


@pytest.mark.parametrize("texts", [["<think>", "a", "b", "c", "</think>", "yes"], ["<think>a", "b", "c</think>yes"]])
def test_a_stream_tells_how_many_tokens_were_thought(texts: list[str]) -> None:
    mend = ThoughtsApart()
    told(mend, *(chunk({"content": text}) for text in texts))
    last = json.dumps({"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 9}}).encode()
    assert json.loads(mend.chunk(last)[0])["usage"]["completion_tokens_details"] == {"reasoning_tokens": 3}


def test_a_whole_answer_tells_it_by_the_share_of_the_letters() -> None:
    usage = {"prompt_tokens": 1, "completion_tokens": 10}
    said = ThoughtsApart().whole(whole(content="<think>hmhmhm</think>yeah") | {"usage": dict(usage)})
    assert said["usage"] == usage | {"completion_tokens_details": {"reasoning_tokens": 6}}
    plain = ThoughtsApart().whole(whole(content="yes") | {"usage": dict(usage)})
    assert plain["usage"] == usage, "who did not think has nothing to count"


def test_what_the_engine_has_counted_stays() -> None:
    usage = {"completion_tokens": 10, "completion_tokens_details": {"reasoning_tokens": 7}}
    said = ThoughtsApart().whole(whole(content="yes", reasoning_content="hm") | {"usage": usage})
    assert said["usage"]["completion_tokens_details"] == {"reasoning_tokens": 7}


@pytest.mark.parametrize(("said", "thought"), [(9, 3), (2, 2)])
def test_thoughts_that_the_engine_puts_apart_are_counted_and_are_no_more_than_was_said(said: int, thought: int) -> None:
    mend, empty = ThoughtsApart(), ({"content": "yes", "reasoning_content": nothing} for nothing in (None, ""))
    told(mend, *(chunk({"reasoning_content": "hm"}) for _ in range(3)), *(chunk(delta) for delta in empty))
    [last] = mend.chunk(json.dumps({"choices": [], "usage": {"completion_tokens": said}}).encode())
    assert json.loads(last)["usage"]["completion_tokens_details"] == {"reasoning_tokens": thought}


def counted(completion: int, **more: Any) -> bytes:
    return json.dumps({"choices": [], "usage": {"completion_tokens": completion}} | more).encode()


@pytest.mark.parametrize("apart", [True, False])
@pytest.mark.parametrize(
    ("counts", "thought"),
    [
        # Each choice as it ends, the second one first; all at the end; and each with its own end.
        ([(1, counted(4)), (0, counted(6))], [2, 3]),
        ([(1, None), (0, counted(10))], [5]),
        ([(1, counted(4, choices=[{"index": 1}])), (0, counted(6, choices=[{"index": 0}]))], [2, 3]),
    ],
)
def test_each_choice_is_counted_by_itself(
    counts: list[tuple[int, bytes | None]], thought: list[int], apart: bool
) -> None:
    first, more, last = ("<think>hm", "hm", "</think>yes") if not apart else ("hm", "hm", "yes")
    name = "reasoning_content" if apart else "content"
    thoughts = [(0, first), (1, first), (0, more), (1, more), (0, more)]
    events = [chunk({name: text}, index=index) for index, text in thoughts]
    events += [chunk({"content": last}, index=index) for index in (0, 1)]
    for index, count in counts:
        events += [chunk({}, "stop", index), *([count] if count else [])]
    mend = ThoughtsApart(choices=2)
    mended = [json.loads(one) for event in events for one in mend.chunk(event)]
    told_of = [one["usage"]["completion_tokens_details"]["reasoning_tokens"] for one in mended if one.get("usage")]
    assert told_of == thought


@pytest.mark.parametrize("field", ["usage", "prompt_progress"])
def test_what_else_a_chunk_says_is_not_held_back_with_its_text(field: str) -> None:
    [told_now] = ThoughtsApart().chunk(chunk({"content": "<thi"}, **{field: {"total": 3}}))
    assert json.loads(told_now)[field] == {"total": 3}


def test_probabilities_are_not_held_back_with_their_text() -> None:
    event = {"choices": [{"index": 0, "delta": {"content": "<thi"}, "logprobs": {"content": [{"token": "<thi"}]}}]}
    [told_now] = ThoughtsApart().chunk(json.dumps(event).encode())
    assert json.loads(told_now)["choices"][0]["logprobs"] == {"content": [{"token": "<thi"}]}


def test_text_that_was_held_back_is_told_before_the_engines_own_thought() -> None:
    deltas = told(ThoughtsApart(), chunk({"content": "<thi"}), chunk({"reasoning_content": "hm"}))
    assert deltas == [{"reasoning_content": "hm", "content": "<thi"}]


def test_responses_say_how_much_of_them_was_thought() -> None:
    exchange = openai_responses.read({"model": "m", "input": "hello"})
    said = exchange.whole(whole(content="<think>hm</think>yo") | {"usage": {"completion_tokens": 8}})
    assert isinstance(said, dict)
    assert said["usage"]["output_tokens_details"] == {"reasoning_tokens": 4}


def test_openais_clients_read_thoughts_beside_the_answer() -> None:
    exchange = openai_chat.read({"model": "m", "messages": _HELLO, "stream": True})
    said = exchange.whole(whole(content="<think>hm</think>yes"))
    assert isinstance(said, dict)
    message = said["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("yes", "hm")
    assert exchange.writer is not None
    writer = exchange.writer()
    written = writer.feed([chunk({"role": "assistant", "content": "<thi"}), chunk({"content": "nk>hm"})]) + writer.end()
    first, second, _, done = [block.removeprefix(b"data: ") for block in written.strip().split(b"\n\n")]
    assert json.loads(first)["choices"][0]["delta"]["role"] == "assistant"
    assert json.loads(second)["choices"][0]["delta"] == {"reasoning_content": "hm"}
    assert done == b"[DONE]"


def test_responses_have_an_item_for_thoughts() -> None:
    exchange = openai_responses.read({"model": "m", "input": "hello", "stream": True})
    said = exchange.whole(whole(content="<think>hm</think>yes"))
    assert isinstance(said, dict)
    assert [item["type"] for item in said["output"]] == ["reasoning", "message"]
    assert exchange.writer is not None
    writer = exchange.writer()
    written = writer.feed([chunk({"content": "<think>hm</think>"}), chunk({"content": "yes"})]) + writer.end()
    assert b"response.reasoning_text.delta" in written
    assert b"<think>" not in written


@pytest.mark.parametrize(("effort", "thinks"), [("none", False), ("low", True)])
def test_openais_clients_say_how_hard_to_think(effort: str, thinks: bool) -> None:
    body = openai_chat.read({"model": "m", "messages": _HELLO, "reasoning_effort": effort}).body
    assert body["chat_template_kwargs"] == {"enable_thinking": thinks, "reasoning_effort": effort}
    own = {"chat_template_kwargs": {"enable_thinking": True}}
    assert (
        openai_chat.read({"model": "m", "messages": _HELLO, "reasoning_effort": effort, **own}).body.items()
        >= own.items()
    )


@pytest.mark.parametrize(("think", "thought"), [(True, "hm"), (None, "hm"), (False, None)])
def test_ollamas_clients_say_whether_they_want_thoughts(think: bool | None, thought: str | None) -> None:
    asked = {"model": "m", "messages": _HELLO, "think": think}
    exchange = ollama_chat.exchange_of(asked, CHAT, chat_of(asked), "message")
    said = exchange.whole(whole(content="<think>hm</think>yes"))
    assert isinstance(said, dict)
    assert (said["message"]["content"], said["message"].get("thinking")) == ("yes", thought)
    assert exchange.writer is not None
    writer = exchange.writer()
    lines = (writer.feed([chunk({"content": "<think>hm</think>"}), chunk({"content": "yes"})]) + writer.end()).split()
    assert any(b'"thinking"' in line for line in lines) == (thought is not None)
