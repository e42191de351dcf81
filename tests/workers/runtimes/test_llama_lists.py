"""A list of prompts before a scripted llama.cpp: each is a request of its own, and the client sees one answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import serving
from tests.waiting import eventually
from tests.workers.runtimes.front_client import LONG, Client, asking, front, run, until
from tests.workers.runtimes.scripted_llama import COMPLETION, STEP, Asked, Reply, ScriptedLlama, words

_REFUSAL = {"error": {"code": 400, "message": "too long", "type": "exceed_context_size_error"}}


@pytest.fixture
def engine() -> Iterator[ScriptedLlama]:
    with serving(ScriptedLlama(slots=4)) as server:
        yield server


def listed(*prompts: Any, **more: Any) -> dict[str, Any]:
    return {"prompt": list(prompts), **more}


def test_each_prompt_is_asked_for_by_itself(engine: ScriptedLlama) -> None:
    client = run(Client(front(engine), COMPLETION, listed("a b c", [1, 2], "d", max_tokens=3)))
    assert sorted(map(str, (one.body["prompt"] for one in engine.answered))) == ["[1, 2]", "a b c", "d"]
    assert {one.body["max_tokens"] for one in engine.answered} == {3}
    assert client.status == 200
    assert [choice["index"] for choice in client.json["choices"]] == [0, 1, 2]
    usage = client.json["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (6, 6, 12)
    assert "timings" not in client.json, "they would be those of one"


def test_a_list_of_one_is_that_prompt(engine: ScriptedLlama) -> None:
    client = run(Client(front(engine), COMPLETION, listed(LONG, stream=True)))
    assert len(engine.chunks) > 1
    assert client.events[-1]["usage"]["prompt_tokens"] == 100


@pytest.mark.parametrize("prompt", [[], [1, 2, 3], ["a", 5], [{"prompt_string": "a"}], [None], "a"])
def test_what_is_no_list_of_prompts_is_left_as_it_is(engine: ScriptedLlama, prompt: Any) -> None:
    engine.replies = lambda _: Reply(content=b'{"choices":[]}')
    run(Client(front(engine), COMPLETION, {"prompt": prompt}))
    assert [one.body["prompt"] for one in engine.answered] == [prompt]


def test_streams_are_told_as_one(engine: ScriptedLlama) -> None:
    def named(asked: Asked) -> Reply | None:
        name = f"cmpl-{asked.body['prompt']}"
        told = [{"id": name, "created": 5, "choices": [{"index": index, "text": name}]} for index in (0, 1)]
        told.append({"id": name, "created": 5, "choices": [], "usage": {"prompt_tokens": 1}})
        content = "".join(f"data: {json.dumps(one)}\n\n" for one in told)
        return Reply(content=content.encode() + b": alive\n\ndata: [DONE]\n\n")

    engine.replies = named
    client = run(Client(front(engine, slots=2), COMPLETION, listed("a", "b", "c", n=2, stream=True)))
    assert client.media_type == "text/event-stream"
    assert client.said.endswith(b"\n\ndata: [DONE]\n\n")
    assert client.said.count(b"[DONE]") == 1
    assert client.said.count(b": alive\n\n") == 3
    assert len({one["id"] for one in client.events}) == 1
    said = {one["choices"][0]["index"]: one["choices"][0]["text"] for one in client.events if one["choices"]}
    assert said == dict(enumerate(["cmpl-a", "cmpl-a", "cmpl-b", "cmpl-b", "cmpl-c", "cmpl-c"]))
    assert all(block.count(b"\n") == 0 for block in client.said.split(b"\n\n")), "no event is torn"


def test_long_ones_are_read_in_chunks_and_counted_as_read(engine: ScriptedLlama) -> None:
    client = run(Client(front(engine), COMPLETION, listed(LONG, "other " + LONG)))
    ends = [len(one.body["prompt"]) for one in engine.chunks]
    assert min(ends) == STEP
    assert len({one.body["id_slot"] for one in engine.chunks}) == 2
    usage = client.json["usage"]
    assert (usage["prompt_tokens"], usage["prompt_tokens_details"]) == (201, {"cached_tokens": 0})


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_is_refused_is_the_end_of_all(engine: ScriptedLlama, stream: bool) -> None:
    async def scenario() -> None:
        def refusing(asked: Asked) -> Reply | None:
            if asked.body["prompt"] != "no":
                return None
            eventually(lambda: engine.held)
            return Reply(status=400, content=json.dumps(_REFUSAL).encode())

        engine.replies = refusing
        engine.holding = lambda asked: asked.body["prompt"] != "no"
        client = await Client(front(engine), COMPLETION, listed("yes", "no", "perhaps", stream=stream)).ask()
        assert (client.status, client.json) == (400, _REFUSAL)
        await until(lambda: engine.left >= 1 and not engine.held)

    asyncio.run(scenario())


def test_one_that_is_refused_late_ends_the_stream(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        refused = Reply(status=400, content=json.dumps(_REFUSAL).encode())
        engine.replies = lambda asked: refused if asked.body["prompt"] == "no" else None
        engine.holding = lambda asked: asked.body["prompt"] == "no"
        client = Client(front(engine), COMPLETION, listed("yes", "no", stream=True))
        async with asking(client) as task:
            await until(lambda: b'"usage"' in client.said)
            engine.let_go()
            await task
        assert client.status == 200
        assert client.events[-1] == _REFUSAL
        assert b"[DONE]" not in client.said

    asyncio.run(scenario())


def test_an_error_in_a_stream_is_the_end_of_all(engine: ScriptedLlama) -> None:
    engine.replies = lambda _: Reply(content=f"data: {json.dumps(_REFUSAL)}\n\n".encode())
    client = run(Client(front(engine), COMPLETION, listed("a", "b", stream=True)))
    assert (client.status, client.json) == (400, _REFUSAL)


@pytest.mark.parametrize("said", [b"{", b"[1]", b"\xff"])
def test_what_is_no_answer_is_told_as_it_is(engine: ScriptedLlama, said: bytes) -> None:
    engine.replies = lambda _: Reply(content=said)
    client = run(Client(front(engine), COMPLETION, listed("a", "b")))
    assert (client.status, client.said) == (500, said)


def test_who_leaves_leaves_all(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        engine.holding = lambda _: True
        client = Client(front(engine), COMPLETION, listed(LONG, "short", "third", stream=True))
        async with asking(client) as task:
            await until(lambda: len(engine.held) == 2)
            client.left.set()
            await task
        await until(lambda: engine.left == 2)
        assert not any(one.body.get("prompt") == "third" for one in engine.asked)

    asyncio.run(scenario())


def test_a_long_list_takes_no_more_than_all_slots_and_lets_others_between(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine, slots=2)
        engine.holding = lambda asked: asked.body.get("prompt") != "other"
        async with asking(Client(front_, COMPLETION, listed(*(f"p{place}" for place in range(9))))) as many:
            await until(lambda: len(engine.held) == 2)
            async with asking(Client(front_, COMPLETION, {"prompt": "other"})) as other:
                for _ in range(10):
                    await asyncio.sleep(0)
                engine.let_go()
                assert (await other).status == 200
                assert len(engine.held) <= 2
                engine.let_go(9)
                await many

    asyncio.run(scenario())


def test_an_engine_that_is_gone_is_told(engine: ScriptedLlama) -> None:
    engine.replies = lambda _: Reply(status=None)
    client = run(Client(front(engine), COMPLETION, listed("a", words(3))))
    assert client.status == 502


def test_the_list_of_a_job_has_one_slot(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine, slots=2)
        engine.holding = lambda asked: asked.body.get("prompt") != "short"
        async with asking(Client(front_, COMPLETION, listed("a", "b", "c"), work="job")) as job:
            await until(lambda: engine.held)
            assert (await Client(front_, COMPLETION, {"prompt": "short"}).ask()).status == 200
            assert len(engine.held) == 1
            engine.let_go(3)
            assert (await job).status == 200

    asyncio.run(scenario())
