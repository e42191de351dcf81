"""The front of llama.cpp before a scripted one: which slot, what is read ahead, who goes first, and who left."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.serving import serving
from tests.workers.runtimes.front_client import LONG, Client, asking, chat, front, run, until
from tests.workers.runtimes.scripted_llama import (
    CHAT,
    CHUNK,
    COMPLETION,
    STEP,
    TEMPLATE,
    Asked,
    Reply,
    ScriptedLlama,
    words,
)
from workers.runtimes.boot.llama_chunks import Progress
from workers.runtimes.boot.llama_front import LlamaFront
from workers.runtimes.boot.llama_passing import Heard
from workers.runtimes.boot.llama_prefill import chunks


@pytest.fixture
def engine() -> Iterator[ScriptedLlama]:
    with serving(ScriptedLlama(slots=4)) as server:
        yield server


def test_a_long_prompt_is_read_ahead_into_its_slot(engine: ScriptedLlama) -> None:
    client = run(Client(front(engine), CHAT, chat(LONG, stream=True)))
    assert client.status == 200
    ends = [len(one.body["prompt"]) for one in engine.chunks]
    assert ends[0] == STEP
    assert ends == sorted(set(ends))
    assert 102 - STEP <= ends[-1] < 102
    assert len({one.body["id_slot"] for one in [*engine.chunks, *engine.answered]}) == 1


def test_what_was_read_ahead_does_not_count_as_cached(engine: ScriptedLlama) -> None:
    for stream in (True, False):
        client = run(Client(front(engine), CHAT, chat(f"{stream} {LONG}", stream=stream)))
        told = client.events[-1] if stream else client.json
        assert told["usage"]["prompt_tokens"] == 103
        assert told["usage"]["prompt_tokens_details"]["cached_tokens"] < 3
        assert told["timings"]["cache_n"] + told["timings"]["prompt_n"] == 103
        assert told["timings"]["prompt_ms"] >= 200
        assert b"NOBODY" not in client.said


@pytest.mark.parametrize(
    "body",
    [
        chat("short"), chat(LONG, cache_prompt=False), chat(LONG, lora=[{"id": 0, "scale": 1}]),
        {"messages": [{"role": "user", "content": [{"type": "text", "text": LONG}, {"type": "input_audio"}]}]},
    ],
)  # fmt: skip
def test_what_cannot_or_need_not_be_read_ahead_goes_whole(engine: ScriptedLlama, body: dict[str, Any]) -> None:
    engine.replies = lambda asked: Reply(content=b'{"choices":[]}') if asked.path == CHAT else None
    assert run(Client(front(engine), CHAT, body)).json == {"choices": []}
    assert not engine.chunks


@pytest.mark.parametrize("prompt", [LONG, list(range(100))])
def test_completions_too(engine: ScriptedLlama, prompt: Any) -> None:
    client = run(Client(front(engine), COMPLETION, {"prompt": prompt, "stream": True, "max_tokens": 2}))
    assert len(engine.chunks) > 1
    assert client.events[-1]["usage"]["prompt_tokens"] == 100


def test_benchmarks_measure_the_engine_as_it_is(engine: ScriptedLlama) -> None:
    run(Client(front(engine), CHAT, chat(LONG, stream=True), work="benchmark"))
    assert [one.path for one in engine.asked] == [CHAT]


def test_no_room_is_left_to_the_engine_to_refuse(engine: ScriptedLlama) -> None:
    run(Client(front(engine, context=50), CHAT, chat(LONG, stream=True)))
    assert not engine.chunks


@pytest.mark.parametrize("path", [TEMPLATE, "/tokenize", CHUNK])
def test_an_error_on_the_way_leaves_the_request_as_it_is(engine: ScriptedLlama, path: str) -> None:
    refused = Reply(status=400, content=b'{"error":{"message":"no"}}')
    engine.replies = lambda asked: refused if asked.path in (path, CHAT) else None
    client = run(Client(front(engine), CHAT, chat(LONG, stream=True)))
    assert (client.status, client.json["error"]["message"]) == (400, "no")


def test_the_engine_hears_the_fields_of_the_request_with_the_first_chunk_alone(engine: ScriptedLlama) -> None:
    run(Client(front(engine), CHAT, chat(LONG, stream=True, temperature=0.5, n=1, tools=[], max_tokens=9)))
    first, *later = (one.body for one in engine.chunks)
    assert later
    assert not any("temperature" in one for one in later)
    assert (first["temperature"], first["max_tokens"]) == (0.5, 0)
    assert not {"n", "tools", "messages"} & set(first)


def test_a_conversation_goes_on_where_its_slot_is(engine: ScriptedLlama) -> None:
    front_, body = front(engine), chat(LONG, stream=True)
    run(Client(front_, CHAT, body))
    run(Client(front_, CHAT, chat("something else", stream=True)))
    engine.asked.clear()
    body["messages"] += [{"role": "assistant", "content": "I see"}, {"role": "user", "content": words(180, 100)}]
    client = run(Client(front_, CHAT, body))
    assert client.events[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] >= 102, "the answer is known too"
    assert len(engine.chunks[0].body["prompt"]) <= 104 + STEP + 2


def test_a_short_request_goes_between_the_chunks_of_a_long_one(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine)
        engine.holding = lambda asked: asked.is_chunk
        async with asking(Client(front_, CHAT, chat(LONG, stream=True))):
            await until(lambda: engine.held)
            short = await Client(front_, CHAT, chat("short", stream=True)).ask()
            assert short.status == 200
        slots = {one.body["id_slot"] for one in engine.answered}
        assert not slots & {one.body["id_slot"] for one in engine.chunks}, "and takes no slot of theirs"

    asyncio.run(scenario())


def test_long_prompts_of_people_take_turns(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine)
        engine.holding = lambda asked: asked.is_chunk
        first, second = (
            Client(front_, CHAT, chat(f"a {LONG}", stream=True)),
            Client(front_, CHAT, chat(f"b {LONG}", stream=True)),
        )
        async with asking(first) as one, asking(second) as other:
            # Each has two: the other waits with its next one, until the last is read.
            for read in range(4):
                await until(lambda read=read: len(engine.chunks) == read + 1 and engine.held)
                await until(lambda read=read: read == 3 or _waiting(front_) == 1)
                assert len(engine.held) == 1, "one chunk at a time"
                engine.let_go()
            engine.holding = lambda _: False
            engine.let_go(100)
            await asyncio.gather(one, other)
        turns = [one.body["id_slot"] for one in engine.chunks][1:5]
        assert turns[0] != turns[1], turns

    asyncio.run(scenario())


def _waiting(front_: LlamaFront) -> int:
    """Prompts whose next chunk has to wait."""
    return len(front_._reading._line)


def test_jobs_wait_with_their_chunks_while_a_person_s_prompt_is_read(
    engine: ScriptedLlama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.runtimes.boot.llama_reading._POLITE", 600.0)

    async def scenario() -> None:
        front_ = front(engine)
        engine.holding = lambda asked: asked.is_chunk
        job = Client(front_, CHAT, chat(f"job {LONG}", stream=True), work="job")
        person = Client(front_, CHAT, chat(f"person {LONG}", stream=True))
        async with asking(job) as one:
            await until(lambda: engine.held)
            async with asking(person) as other:
                await until(lambda: any(asked.path == TEMPLATE for asked in engine.asked[2:]) or len(engine.asked) > 3)
                engine.holding = lambda _: False
                engine.let_go(100)
                await asyncio.gather(one, other)
        slots = [asked.body["id_slot"] for asked in engine.chunks]
        persons = slots.index(next(slot for slot in slots if slot != slots[0]))
        assert len(set(slots[persons : persons + slots.count(slots[persons])])) == 1, slots

    asyncio.run(scenario())


def test_who_leaves_costs_the_chunk_that_is_read(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine, slots=1)
        engine.holding = lambda asked: asked.is_chunk
        client = Client(front_, CHAT, chat(LONG, stream=True))
        async with asking(client) as task:
            await until(lambda: engine.held)
            client.left.set()
            await task
        await until(lambda: engine.left == 1)
        assert len(engine.chunks) == 1
        engine.holding = lambda _: False
        assert (await Client(front_, CHAT, chat("next", stream=True)).ask()).status == 200, "its slot is free"

    asyncio.run(scenario())


def test_who_waits_for_a_slot_and_leaves_leaves_no_gap(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine, slots=1)
        engine.holding = lambda asked: asked.path == CHAT
        async with asking(Client(front_, CHAT, chat("first", stream=True))) as first:
            await until(lambda: engine.held)
            waits = Client(front_, CHAT, chat("second", stream=True))
            async with asking(waits) as second, asking(Client(front_, CHAT, chat("third", stream=True))) as third:
                await asyncio.sleep(0)
                waits.left.set()
                await second
                engine.holding = lambda _: False
                engine.let_go()
                assert [one.status for one in await asyncio.gather(first, third)] == [200, 200]
        assert len(engine.answered) == 2

    asyncio.run(scenario())


def test_people_get_slots_before_jobs(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine, slots=1)
        engine.holding = lambda asked: asked.path == CHAT
        async with asking(Client(front_, CHAT, chat("first", stream=True))) as first:
            await until(lambda: engine.held)
            async with (
                asking(Client(front_, CHAT, chat("job", stream=True), work="job")) as job,
                asking(Client(front_, CHAT, chat("person", stream=True))) as person,
            ):
                for _ in range(10):
                    await asyncio.sleep(0)
                engine.holding = lambda _: False
                engine.let_go()
                await asyncio.gather(first, job, person)
        assert [one.body["messages"][0]["content"] for one in engine.answered] == ["first", "person", "job"]

    asyncio.run(scenario())


def test_jobs_that_wait_to_be_read_leave_the_slots_to_people(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine)
        engine.holding = lambda asked: asked.is_chunk
        jobs = [Client(front_, CHAT, chat(f"{number} {LONG}", stream=True), work="job") for number in range(3)]
        async with asking(jobs[0]), asking(jobs[1]), asking(jobs[2]):
            await until(lambda: engine.held)
            assert (await Client(front_, CHAT, chat("short", stream=True)).ask()).status == 200
            assert len(engine.chunks) == 1

    asyncio.run(scenario())


def test_jobs_with_pictures_leave_the_slots_to_people(engine: ScriptedLlama) -> None:
    """They are seen in no chunks: each alone, until its answer begins."""
    shown = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}]}

    async def scenario() -> None:
        front_ = front(engine)
        engine.holding = lambda asked: asked.body["messages"] == shown["messages"]
        engine.replies = lambda asked: Reply(content=b'{"choices": []}') if engine.holding(asked) else None
        jobs = [Client(front_, CHAT, shown, work="job") for _ in range(3)]
        async with asking(jobs[0]) as first, asking(jobs[1]) as second, asking(jobs[2]) as third:
            await until(lambda: engine.held)
            assert (await Client(front_, CHAT, chat("short", stream=True)).ask()).status == 200
            assert len(engine.answered) == 2
            engine.let_go(3)
            assert [one.status for one in await asyncio.gather(first, second, third)] == [200] * 3
        people = [Client(front_, CHAT, shown) for _ in range(2)]
        async with asking(people[0]), asking(people[1]):
            await until(lambda: len(engine.held) == 2)

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("said", "spoken"),
    [
        ({"choices": [{"delta": {"role": "assistant"}}], "prompt_progress": {"total": 5, "processed": 0}}, False),
        ({"choices": [{"delta": {"role": "assistant"}}]}, True),
        ({"choices": [{"delta": {"content": "I"}}]}, True),
    ],
)
def test_an_answer_begins_behind_the_news_of_its_prompt(said: dict[str, Any], spoken: bool) -> None:
    heard = Heard()
    heard.events(f": reading\n\ndata: {json.dumps(said)}\n\n".encode())
    assert heard.spoken is spoken


@pytest.mark.parametrize(
    ("path", "body"),
    [(COMPLETION, {"prompt": ["a"], "n": 2}), (CHAT, chat("short", n=2)), (CHAT, chat(LONG, n=2))],
)
def test_several_answers_wait_until_no_prompt_is_read_half(
    engine: ScriptedLlama, path: str, body: dict[str, Any]
) -> None:
    """llama.cpp gives slots to them itself: to one that is between two chunks, too."""

    async def scenario() -> None:
        front_ = front(engine, slots=3)
        engine.holding = lambda asked: asked.is_chunk
        async with asking(Client(front_, CHAT, chat(f"half {words(900)}", stream=True))) as long:
            await until(lambda: engine.held)
            async with asking(Client(front_, path, {**body, "stream": True})) as wide:
                for _ in range(10):
                    await asyncio.sleep(0)
                assert not [one for one in engine.answered if "n" in one.body]
                engine.holding = lambda _: False
                engine.let_go(100)
                await asyncio.gather(long, wide)
        half = max(place for place, one in enumerate(engine.asked) if one.is_chunk and len(one.body["prompt"]) > 102)
        assert engine.asked.index(next(one for one in engine.answered if "n" in one.body)) > half

    asyncio.run(scenario())


@pytest.mark.parametrize("wanted", [{"n": 2}, {"n": 2.0}, {"n_cmpl": 2}, {"n": 2, "id_slot": 1}])
def test_the_prompt_of_several_answers_is_read_ahead_once(engine: ScriptedLlama, wanted: dict[str, Any]) -> None:
    client = run(Client(front(engine), CHAT, chat(LONG, stream=True, **wanted)))
    assert client.events[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert not any("n" in one.body for one in engine.chunks)
    assert {one.body["id_slot"] for one in [*engine.chunks, *engine.answered]} == {0}
    assert [one.body["n"] for one in engine.answered] == [2]


@pytest.mark.parametrize(("path", "body"), [(COMPLETION, {"prompt": LONG, "n": 3}), (CHAT, chat(LONG, n=3))])
def test_more_answers_than_slots_go_whole(engine: ScriptedLlama, path: str, body: dict[str, Any]) -> None:
    engine.replies = lambda _: Reply(content=b'{"choices":[]}')
    assert run(Client(front(engine), path, body)).json == {"choices": []}
    assert len(engine.asked) == 1


def test_who_leaves_while_the_prompt_of_several_answers_is_read_costs_a_chunk(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_, other = front(engine), chat("other " + LONG, stream=True)
        await Client(front_, CHAT, other).ask()
        engine.asked.clear()
        engine.holding = lambda asked: asked.is_chunk
        client = Client(front_, CHAT, chat(LONG, stream=True, n=2))
        async with asking(client) as task:
            await until(lambda: engine.held)
            client.left.set()
            await task
        await until(lambda: engine.left == 1)
        assert (len(engine.chunks), len(engine.answered)) == (1, 0)
        engine.holding = lambda _: False
        again = await Client(front_, CHAT, other).ask()
        assert len(engine.chunks) == 2, "the slot of another conversation is still known"
        assert again.events[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] > 90

    asyncio.run(scenario())


def test_several_answers_begin_before_those_who_would_be_given_their_slot(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_ = front(engine, slots=4)
        engine.holding = lambda asked: asked.is_chunk
        async with asking(Client(front_, CHAT, chat(LONG, stream=True, n=2))) as long:
            await until(lambda: engine.held)
            async with asking(Client(front_, CHAT, chat("short", stream=True, n=2))) as short:
                for _ in range(10):
                    await asyncio.sleep(0)
                engine.holding = lambda _: False
                engine.let_go(100)
                await asyncio.gather(long, short)
        assert [one.body["messages"][0]["content"] for one in engine.answered] == [LONG, "short"]

    asyncio.run(scenario())


def test_nothing_is_known_of_slots_after_several_answers(engine: ScriptedLlama) -> None:
    """Any of them may have been given to one."""
    front_, body = front(engine), chat(LONG, stream=True)
    run(Client(front_, CHAT, body))
    run(Client(front_, CHAT, chat("short", n=2)))
    engine.asked.clear()
    run(Client(front_, CHAT, body))
    assert len(engine.chunks[0].body["prompt"]) < 2 * STEP


def test_a_conversation_goes_on_after_several_answers(engine: ScriptedLlama) -> None:
    front_, body = front(engine), chat(LONG, stream=True)
    run(Client(front_, CHAT, {**body, "n": 2}))
    engine.asked.clear()
    body["messages"] += [{"role": "assistant", "content": "another one"}, {"role": "user", "content": words(180, 100)}]
    run(Client(front_, CHAT, body))
    assert 102 < len(engine.chunks[0].body["prompt"]) <= 102 + STEP


def test_a_client_names_no_slot(engine: ScriptedLlama) -> None:
    run(Client(front(engine), CHAT, chat(LONG, stream=True, id_slot=7)))
    assert {one.body["id_slot"] for one in [*engine.chunks, *engine.answered]} == {0}


def test_a_slot_that_knows_less_than_was_thought_is_read_in_chunks_all_the_same() -> None:
    """It says so before it reads, and is left: then from there."""
    talk = chunks(8, 4096, COMPLETION, {"prompt": list(range(100))}, 0, Progress(90))
    first = next(talk)
    assert first.known == 90 - 16
    second = talk.send(b'data: {"prompt_progress": {"cache": 5, "total": 99}}\n\n')
    assert [len(json.loads(part.content)["prompt"]) for part in (first, second)] == [98, 13]


def test_a_slot_that_has_all_of_a_prompt_reads_its_end(engine: ScriptedLlama) -> None:
    talk = chunks(8, 4096, COMPLETION, {"prompt": list(range(100))}, 0, Progress(5000))
    assert len(json.loads(next(talk).content)["prompt"]) == 99


@pytest.mark.parametrize("body", [b"{", b"[1]", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_the_engine_s_to_refuse(engine: ScriptedLlama, body: bytes) -> None:
    client = run(Client(front(engine), "/v1/embeddings", body))
    assert client.status in (200, 502)


def test_all_else_goes_through(engine: ScriptedLlama) -> None:
    assert run(Client(front(engine), "/health", b"", method="GET")).json == {"path": "/health"}


def test_what_is_no_question_is_refused(engine: ScriptedLlama) -> None:
    """Nobody asks so; an answer without a body would never end."""
    assert run(Client(front(engine), "/health", b"", method="HEAD")).status == 405


def test_an_engine_that_is_gone_is_told(engine: ScriptedLlama) -> None:
    def gone(_: Asked) -> Reply:
        return Reply(status=None)

    engine.replies = gone
    client = run(Client(front(engine), CHAT, chat("short", stream=True)))
    assert client.status == 502
    assert "does not answer" in client.json["error"]["message"]
