"""Long prompts of people are read in chunks, and nobody but the engine sees a difference."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from shared import chunked_prefill
from tests.api.fleet import Fleet
from tests.api.gateway.scripted_llama import ALIKE, ANSWER, CHUNKS_TOKEN, PACE, STEP, ScriptedLlama, common, words
from tests.api.served import Served
from tests.serving import serving

_CHAT, _MESSAGES, _RESPONSES = "/v1/chat/completions", "/v1/messages", "/v1/responses"

#: A path, the body that asks it a text, and what of a prompt its answer tells: tokens in all, tokens that were known.
Asking = tuple[str, Callable[[str], dict[str, Any]], Callable[[dict[str, Any]], tuple[int, int]]]


def messages(text: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


def openai(said: dict[str, Any]) -> tuple[int, int]:
    usage = said["usage"]
    return usage["prompt_tokens"], usage["prompt_tokens_details"]["cached_tokens"]


def anthropic(said: dict[str, Any]) -> tuple[int, int]:
    usage = said["usage"]
    return usage["input_tokens"] + usage["cache_read_input_tokens"], usage["cache_read_input_tokens"]


def responses(said: dict[str, Any]) -> tuple[int, int]:
    usage = (said.get("response") or said)["usage"]
    return usage["input_tokens"], usage["input_tokens_details"]["cached_tokens"]


def ollama(said: dict[str, Any]) -> tuple[int, int]:
    """It tells for how long the others were read."""
    read = said["prompt_eval_duration"] / 1e6 / PACE
    return said["prompt_eval_count"], said["prompt_eval_count"] - round(read)


_ASKED: dict[str, Asking] = {
    "chat": (_CHAT, lambda text: messages(text) | {"stream_options": {"include_usage": True}}, openai),
    "completion": ("/v1/completions", lambda text: {"prompt": text, "stream_options": {"include_usage": True}}, openai),
    "responses": (_RESPONSES, lambda text: {"input": text}, responses),
    "anthropic": (_MESSAGES, lambda text: messages(text) | {"max_tokens": 9}, anthropic),
    "ollama-chat": ("/api/chat", messages, ollama),
    "ollama-generate": ("/api/generate", lambda text: {"prompt": text}, ollama),
}


@pytest.fixture
def llama(fleet: Fleet) -> Iterator[ScriptedLlama]:
    with serving(ScriptedLlama()) as server:
        fleet.ready_run(served=server.endpoint)
        yield server


def ask(door: Served, path: str, body: dict[str, Any], *, stream: bool) -> tuple[str, dict[str, Any]]:
    """All that the client reads, and that of it which tells what was used."""
    answer = door.post(path, {"model": "echo", **body, "stream": stream})
    assert answer.status_code == 200, answer.text
    if not stream:
        return answer.text, dict(answer.json())
    lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.endswith("}")]
    said = [json.loads(line) for line in lines]
    return answer.text, next(one for one in reversed(said) if _tells(one))


def _tells(said: dict[str, Any]) -> bool:
    return bool(said.get("usage") or (said.get("response") or {}).get("usage") or "prompt_eval_count" in said)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("asking", _ASKED.values(), ids=_ASKED)
def test_what_was_read_in_chunks_is_told_as_if_it_had_been_read_at_once(
    door: Served, llama: ScriptedLlama, asking: Asking, stream: bool
) -> None:
    path, body, told = asking
    answers = [ask(door, path, body(text), stream=stream) for text in (words(60), f"{words(50)} {words(40, first=20)}")]
    prompts = [llama.prompt_of(asked) for asked in llama.answered]
    known = common(*prompts)
    assert [told(said) for _, said in answers] == [(len(prompts[0]), 0), (len(prompts[1]), known)]
    assert len(prompts[1]) - STEP <= len(llama.prompt_of(llama.chunks[-1])) < len(prompts[1])
    total = {"requests": 2, "prompt": sum(map(len, prompts)), "cached": known, "completion": 2 * len(ANSWER)}
    [row] = door.get("/v1/usage").json()["data"]
    assert {name: row[name] for name in total} == total
    for text, _ in answers:
        assert all(word in text for word in ANSWER)
        assert CHUNKS_TOKEN not in text


def test_anthropics_first_event_tells_what_was_known_before(door: Served, llama: ScriptedLlama) -> None:
    for text in (words(60), f"{words(50)} {words(40, first=20)}"):
        said, _ = ask(door, _MESSAGES, messages(text) | {"max_tokens": 9}, stream=True)
    first = json.loads(said.splitlines()[1].removeprefix("data: "))
    prompts = [llama.prompt_of(asked) for asked in llama.answered]
    assert (first["type"], anthropic(first["message"])) == ("message_start", (len(prompts[1]), common(*prompts)))


def test_a_short_prompt_is_sent_at_once(door: Served, llama: ScriptedLlama) -> None:
    ask(door, _CHAT, messages(words(STEP - 2)), stream=False)
    assert (llama.chunks, len(llama.answered)) == ([], 1)


def test_a_talk_goes_on_where_it_was(door: Served, llama: ScriptedLlama) -> None:
    talk = messages(words(60))["messages"]
    ask(door, _CHAT, {"messages": talk}, stream=False)
    read = len(llama.chunks)
    talk = [*talk, {"role": "assistant", "content": " ".join(ANSWER)}, *messages(words(90, first=60))["messages"]]
    ask(door, _CHAT, {"messages": talk}, stream=False)
    first, second = (llama.prompt_of(asked) for asked in llama.answered)
    again = llama.prompt_of(llama.chunks[read])
    assert again == second[: len(again)]
    known = common([*first, *llama.tokens(" ".join(ANSWER))], second)
    assert known < len(again) <= known + STEP + 1


def test_chunks_of_a_fast_engine_grow_no_faster_than_it_finds_their_slot(
    door: Served, llama: ScriptedLlama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chunked_prefill, "_CHUNK_SECONDS", 1000.0)
    ask(door, _CHAT, messages(words(1000)), stream=False)
    lengths = [len(llama.prompt_of(asked)) for asked in (*llama.chunks, *llama.answered)]
    assert all(longer < shorter / ALIKE for shorter, longer in pairwise(lengths)), lengths
