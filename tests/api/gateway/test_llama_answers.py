"""What only a real llama.cpp shows: how it counts several answers, where it stopped, and that it stops for nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.runtimes import Endpoint
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.models import smollm2
from tests.runs import running
from tests.waiting import eventually

pytestmark = pytest.mark.model

_CHAT, _COMPLETION, _MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/messages"
_USED = {"include_usage": True}
#: More than the engine reads in a second.
_LONG = "word " * 3000


@pytest.fixture(scope="module")
def engine() -> Iterator[Endpoint]:
    with running("llama-cpp", smollm2(), slots=2, context=4096, threads=1) as process:
        yield process.endpoint


@pytest.fixture
def ready(door: Served, fleet: Fleet, engine: Endpoint) -> Endpoint:
    fleet.ready_run(served=engine)
    return engine


def ask(door: Served, path: str, **more: Any) -> dict[str, Any]:
    """The answer; of a stream, the last of its events that says something."""
    answer = door.post(path, {"model": "echo", "temperature": 0, "max_tokens": 5, **more}, timeout=100.0)
    assert answer.status_code == 200, answer.text
    if not more.get("stream"):
        return dict(answer.json())
    return dict(json.loads([line for line in answer.text.splitlines() if line.startswith("data: {")][-1][6:]))


def chat(text: str = "Say hello.") -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}]}


@pytest.mark.parametrize("stream", [False, True])
def test_choices_are_counted_each_and_their_prompt_once(door: Served, ready: Endpoint, stream: bool) -> None:
    one = ask(door, _CHAT, **chat())["usage"]
    two = ask(door, _CHAT, **chat(), n=2, stream=stream, stream_options=_USED, ignore_eos=True)["usage"]
    assert (two["prompt_tokens"], two["completion_tokens"]) == (one["prompt_tokens"], 10)
    assert door.get("/v1/usage").json()["data"][0]["completion"] == one["completion_tokens"] + 10


@pytest.mark.parametrize("stream", [False, True])
def test_every_prompt_of_a_list_is_counted(door: Served, ready: Endpoint, stream: bool) -> None:
    prompts = ["one two three", "one two three four five six"]
    each = [ask(door, _COMPLETION, prompt=prompt)["usage"]["prompt_tokens"] for prompt in prompts]
    said = ask(door, _COMPLETION, prompt=prompts, n=1, stream=stream, stream_options=_USED, ignore_eos=True)
    assert (said["usage"]["prompt_tokens"], said["usage"]["completion_tokens"]) == (sum(each), 10)


def test_a_whole_answer_has_what_the_engine_would_have_said(door: Served, ready: Endpoint) -> None:
    [choice] = ask(door, _CHAT, **chat(), logprobs=True, top_logprobs=2, ignore_eos=True)["choices"]
    assert [len(one["top_logprobs"]) for one in choice["logprobs"]["content"]] == [2] * 5
    assert "".join(one["token"] for one in choice["logprobs"]["content"]) == choice["message"]["content"]
    body = {**chat(), "temperature": 0, "max_tokens": 5}
    straight = httpx2.post(ready.url + _CHAT, json=body, timeout=100.0, trust_env=False)
    assert straight.json()["choices"][0]["message"]["content"] == choice["message"]["content"]


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("sequences", "expected"), [(["zzz", "e"], ("stop_sequence", "e")), (["zzz"], None)])
def test_anthropics_clients_hear_at_which_sequence_it_stopped(
    door: Served, ready: Endpoint, stream: bool, sequences: list[str], expected: tuple[str, str] | None
) -> None:
    body = {"model": "echo", "max_tokens": 60, "temperature": 0, "stop_sequences": sequences, **chat()}
    answer = door.post(_MESSAGES, body | {"stream": stream}, timeout=100.0)
    told = answer.json() if not stream else _delta(answer.text)
    if expected is None:
        assert told["stop_reason"] in ("end_turn", "max_tokens")
        assert told["stop_sequence"] is None
    else:
        assert (told["stop_reason"], told["stop_sequence"]) == expected
    assert "__verbose" not in answer.text


def test_a_talk_goes_on_after_a_call_that_was_cut_off(door: Served, ready: Endpoint) -> None:
    place = {"type": "object", "properties": {"city": {"type": "string", "minLength": 400}}, "required": ["city"]}
    tools = [{"type": "function", "function": {"name": "weather", "parameters": place}}]
    asking = chat("Weather in Paris?")["messages"]
    [choice] = ask(door, _CHAT, messages=asking, tools=tools, tool_choice="required", max_tokens=40)["choices"]
    [call] = choice["message"]["tool_calls"]
    with pytest.raises(ValueError, match="line"):
        json.loads(call["function"]["arguments"])
    seen = {"role": "tool", "tool_call_id": call["id"], "content": "cut off"}
    assert ask(door, _CHAT, messages=[*asking, choice["message"], seen], tools=tools)["choices"]
    item = {"type": "function_call", "call_id": call["id"], **call["function"]}
    output = {"type": "function_call_output", "call_id": call["id"], "output": "cut off"}
    assert ask(door, "/v1/responses", input=[*asking, item, output], max_output_tokens=5)["output"]
    messages = [*asking, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "content": "cut off"}]
    assert ask(door, "/api/chat", messages=messages, stream=False, options={"num_predict": 5})["done"]


def test_a_mistake_that_only_the_engine_finds_is_the_askers(door: Served, ready: Endpoint) -> None:
    call = {"id": "a", "function": {"name": "look", "arguments": f'{{"at": {"1" * 400}}}'}}
    huge = [*chat()["messages"], {"role": "assistant", "tool_calls": [call]}]
    for wrong in ({"reasoning_format": "x"}, {"messages": huge}):
        answer = door.post(_CHAT, {"model": "echo", **chat(), **wrong}, timeout=100.0)
        assert answer.status_code == 400, answer.text


@pytest.mark.parametrize("stream", [False, True])
def test_a_long_prompt_is_not_read_to_its_end_for_nobody(door: Served, ready: Endpoint, stream: bool) -> None:
    body = {"model": "echo", "max_tokens": 5, "stream": stream, **chat(_LONG)}
    before = _metric(ready, "prompt_tokens_total")
    with pytest.raises(httpx2.TimeoutException):
        door.post(_CHAT, body, timeout=2.5)
    eventually(lambda: _metric(ready, "requests_processing") == 0, 60)
    assert _metric(ready, "prompt_tokens_total") - before < 3000


@pytest.fixture(scope="module")
def thinker() -> Iterator[Endpoint]:
    """Its prompts end inside a thought unless that is turned off, in a way that llama.cpp does not see through."""
    template = (
        "{% for one in messages %}<|im_start|>{{ one.role }}\n{{ one.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is not false %}<think>\n{% endif %}"
        "{% endif %}"
    )
    with running("llama-cpp", smollm2(), slots=1, context=512, threads=1, chat_template=template) as process:
        yield process.endpoint


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("thinks", "field"), [(True, "reasoning_content"), (False, "content")])
def test_a_thought_that_the_template_opens_is_no_answer(
    door: Served, fleet: Fleet, thinker: Endpoint, stream: bool, thinks: bool, field: str
) -> None:
    fleet.ready_run(served=thinker)
    wishes = {"chat_template_kwargs": {"enable_thinking": thinks}, "ignore_eos": True, "stream": stream}
    answer = door.post(_CHAT, {"model": "echo", "max_tokens": 5, **wishes, **chat()}, timeout=100.0)
    events = [line[6:] for line in answer.text.splitlines() if line.startswith("data: {")] or [answer.text]
    choices = [choice for event in events for choice in json.loads(event)["choices"]]
    said = [choice.get("message") or choice["delta"] for choice in choices]
    assert {name for one in said for name in ("content", "reasoning_content") if one.get(name)} == {field}


def _delta(text: str) -> dict[str, Any]:
    events = [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]
    return next(dict(event["delta"]) for event in events if event["type"] == "message_delta")


def _metric(engine: Endpoint, name: str) -> float:
    lines = httpx2.get(engine.url + "/metrics", trust_env=False, timeout=60).text.splitlines()
    return next(float(line.split()[-1]) for line in lines if line.startswith(f"llamacpp:{name} "))
