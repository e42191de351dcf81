"""Prompts with pictures before a scripted llama.cpp, and cut at random: a picture is a chunk by itself."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.serving import serving
from tests.workers.runtimes.front_client import LONG, Client, asking, chat, front, run, until
from tests.workers.runtimes.scripted_llama import CHAT, CHUNK, COMPLETION, MARKER, STEP, Reply, ScriptedLlama, words
from workers.runtimes.boot.llama_chunks import PROPERTIES, TEMPLATE, TOKENS, Chunks, Part, Progress
from workers.runtimes.boot.llama_places import Place, covered, places
from workers.runtimes.boot.llama_prefill import chunks


@pytest.fixture
def engine() -> Iterator[ScriptedLlama]:
    with serving(ScriptedLlama(slots=4)) as server:
        yield server


def showing(*content: str, **more: Any) -> dict[str, Any]:
    """A chat that shows what begins with a colon, and says the rest; each letter of a picture is ten tokens of it."""
    return {"messages": [{"role": "user", "content": [_part(one) for one in content]}], "stream": True, **more}


def _part(said: str) -> dict[str, Any]:
    if not said.startswith(":"):
        return {"type": "text", "text": said}
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{said[1:] * 10}"}}


def shown(engine: ScriptedLlama) -> list[int]:
    """Pictures of each chunk; 0 where it is text alone."""
    prompts = [one.body["prompt"] for one in engine.chunks]
    return [len(one["multimodal_data"]) if isinstance(one, dict) else 0 for one in prompts]


def test_each_picture_is_a_chunk(engine: ScriptedLlama) -> None:
    client = run(Client(front(engine), CHAT, showing("see", ":abc", ":defg", " and ", ":hi", " what?")))
    assert shown(engine) == [1, 2, 3]
    assert len({one.body["id_slot"] for one in [*engine.chunks, *engine.answered]}) == 1
    told = client.events[-1]
    assert told["usage"]["prompt_tokens"] == 2 + 30 + 40 + 1 + 20 + 2
    assert told["usage"]["prompt_tokens_details"]["cached_tokens"] == 0
    assert told["timings"]["cache_n"] + told["timings"]["prompt_n"] == told["usage"]["prompt_tokens"]
    assert b"NOBODY" not in client.said


def test_text_before_and_behind_pictures_is_read_in_chunks_of_a_step(engine: ScriptedLlama) -> None:
    engine.pace = 1000
    run(Client(front(engine), CHAT, showing(words(40), ":abc", words(80, 40), ":def", words(120, 80))))
    ends = [len(engine.prompt_of(one)) for one in engine.chunks]
    assert ends == sorted(ends)
    assert max(after - before for before, after in zip([0, *ends], ends, strict=False)) <= 30 + STEP
    assert min(after - before for before, after in zip([0, *ends], ends, strict=False)) >= STEP // 2
    assert 182 - STEP <= ends[-1] < 182


def test_one_picture_and_few_words_go_whole(engine: ScriptedLlama) -> None:
    run(Client(front(engine, step=64), CHAT, showing("see", ":abc", " what?")))
    assert [one.path for one in engine.asked] == [CHAT]


@pytest.mark.parametrize("url", ["https://example.org/a.png", "data:image/png,abc", "data:text/plain;base64,abc", ""])
def test_what_is_no_picture_in_base64_is_the_engine_s_to_refuse(engine: ScriptedLlama, url: str) -> None:
    body = showing(":abc", ":def", LONG)
    body["messages"][0]["content"][1]["image_url"]["url"] = url
    engine.replies = lambda asked: Reply(content=b'{"choices":[]}') if asked.path == CHAT else None
    assert run(Client(front(engine), CHAT, body)).json == {"choices": []}
    assert not engine.chunks


def test_a_text_that_has_the_marker_in_it_goes_whole(engine: ScriptedLlama) -> None:
    engine.replies = lambda asked: Reply(content=b'{"choices":[]}') if asked.path == CHAT else None
    run(Client(front(engine), CHAT, showing(":abc", ":def", f"what is {MARKER}?")))
    assert not engine.chunks


def test_who_leaves_costs_the_picture_that_is_seen(engine: ScriptedLlama) -> None:
    async def scenario() -> None:
        front_, body = front(engine), showing(":abcd", ":efgh", ":ijkl", "what?")
        engine.holding = lambda asked: asked.is_chunk and len(asked.body["prompt"]["multimodal_data"]) == 2
        client = Client(front_, CHAT, body)
        async with asking(client) as task:
            await until(lambda: engine.held)
            client.left.set()
            await task
        await until(lambda: engine.left == 1)
        assert (shown(engine), engine.answered) == ([1, 2], [])
        engine.asked.clear()
        engine.holding = lambda _: False
        again = await Client(front_, CHAT, body).ask()
        assert shown(engine) == [2, 3], "the first picture is still there"
        assert again.events[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] >= 41

    asyncio.run(scenario())


def test_a_person_comes_between_the_pictures_of_a_job(engine: ScriptedLlama, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.runtimes.boot.llama_reading._POLITE", 600.0)

    async def scenario() -> None:
        front_ = front(engine)
        engine.holding = lambda asked: asked.is_chunk and isinstance(asked.body["prompt"], dict)
        async with asking(Client(front_, CHAT, showing(":ab", ":cd", ":ef", "what?"), work="job")) as job:
            await until(lambda: engine.held)
            assert (await Client(front_, CHAT, chat("short", stream=True)).ask()).status == 200
            async with asking(Client(front_, CHAT, chat(LONG, stream=True))) as person:
                await asyncio.sleep(0)
                engine.let_go()
                await person
                seen = shown(engine)
                assert seen.count(1) == 1, "the second picture waits"
                engine.let_go(5)
                await job

    asyncio.run(scenario())


def test_a_conversation_goes_on_behind_what_its_slot_has_seen(engine: ScriptedLlama) -> None:
    front_, body = front(engine), showing("see", ":abc", ":defg", "what?")
    run(Client(front_, CHAT, body))
    engine.asked.clear()
    said = {"role": "assistant", "content": "I see"}
    body["messages"] += [said, *showing("and", ":hijk", ":lmnop", "now?")["messages"]]
    client = run(Client(front_, CHAT, body))
    assert shown(engine) == [3, 4]
    assert client.events[-1]["usage"]["prompt_tokens_details"]["cached_tokens"] >= 2 + 30 + 40 + 2
    engine.asked.clear()
    body["messages"] += [said, *chat(words(80))["messages"]]
    run(Client(front_, CHAT, body))
    assert set(shown(engine)) == {4}, "all that was seen stays seen"


def test_another_picture_is_another_conversation(engine: ScriptedLlama) -> None:
    front_ = front(engine, slots=1)
    run(Client(front_, CHAT, showing("see", ":abc", ":def", "what?")))
    engine.asked.clear()
    run(Client(front_, CHAT, showing("see", ":abc", ":xyz", ":def", "what?")))
    assert shown(engine) == [2, 3]


def test_an_engine_that_cannot_go_on_behind_pictures_is_asked_whole_from_then_on(engine: ScriptedLlama) -> None:
    """So it is with some models that keep a state: each chunk would see all pictures again."""

    def chunks_of(*content: str) -> list[int]:
        engine.asked.clear()
        client = run(Client(front_, CHAT, showing(*content)))
        assert client.events[-1]["usage"]["prompt_tokens"] > 150
        return shown(engine)

    front_ = front(engine)
    engine.forgets = True
    assert chunks_of(":abcdef", ":ghijkl", ":mno", "what?") == [1, 2]
    engine.forgets = False
    assert chunks_of(":pqrstu", ":vwxyz", ":AB", ":CDE", "once is chance") == [1, 2, 3, 4]
    engine.forgets = True
    assert chunks_of(":fghijk", ":lmnopq", ":rst", "what?") == [1, 2]
    assert chunks_of(":uvwxyz", ":ABCDEF", ":GHI", "what?") == [1, 2]
    assert chunks_of(":JKLMNO", ":PQRSTU", ":VWX", "twice is not") == []
    run(Client(front_, CHAT, chat(LONG, stream=True)))
    assert engine.chunks, "that is no matter of text"


def test_what_fits_nowhere_is_not_read_before_it_is_refused(engine: ScriptedLlama) -> None:
    run(Client(front(engine, context=90), CHAT, showing(":abc", ":def", LONG)))
    assert shown(engine) == []
    run(Client(front(engine, context=220), CHAT, showing(*(f":{place}abcd" for place in range(8)), "what?")))
    assert shown(engine) == [1, 2], "the others are as large as the second, most likely"


def test_the_one_picture_of_a_job_is_a_chunk_too(engine: ScriptedLlama) -> None:
    """It waits for the chunks of people as its others do."""
    run(Client(front(engine), CHAT, showing(":abc", "what?"), work="job"))
    assert shown(engine) == [1]


def test_who_stops_an_answer_finds_the_pictures_again(engine: ScriptedLlama) -> None:
    async def scenario(*content: str) -> None:
        front_, body = front(engine, step=64), showing(*content)
        client = Client(front_, CHAT, body)
        engine.holding = lambda asked: asked.path == CHAT
        engine.replies = lambda asked: _BROKEN_OFF if asked.path == CHAT else None
        async with asking(client):
            await until(lambda: engine.held)
            engine.let_go()
            await until(lambda: client.said)
        engine.asked.clear()
        engine.holding, engine.replies = (lambda _: False), (lambda _: None)
        body["messages"] += [{"role": "assistant", "content": "I see"}, *chat("go on")["messages"]]
        await Client(front_, CHAT, body).ask()
        assert engine.answered[0].body["id_slot"] == 0
        assert not engine.chunks

    asyncio.run(scenario(":abc", "what?"))
    asyncio.run(scenario(":abc", ":def", words(100)))


_BROKEN_OFF = Reply(content=b'data: {"choices":[{"index":0,"delta":{"content":"I"}}]}\n\n')


def test_pictures_far_behind_the_beginning_are_known(engine: ScriptedLlama) -> None:
    front_, body = front(engine, step=64, context=10**6), showing("x" * 300_000, ":abc", ":def", "what?")
    run(Client(front_, CHAT, body))
    assert shown(engine) == [1, 2]
    engine.asked.clear()
    body["messages"] += [{"role": "assistant", "content": "I see"}, *chat("go on")["messages"]]
    run(Client(front_, CHAT, body))
    assert shown(engine) == []


@pytest.mark.parametrize("prompt", [[1, 2], [[1, 2], "a"], ["a", 5]])
def test_a_model_that_sees_reads_no_token_ids(engine: ScriptedLlama, prompt: Any) -> None:
    client = run(Client(front(engine, sees=True), COMPLETION, {"prompt": prompt, "stream": True}))
    assert client.status == 400
    assert "send the text" in client.json["error"]["message"]
    assert not any(isinstance(one.body["prompt"], list) for one in engine.answered)
    for other in (["a", "b"], [], "a"):
        assert run(Client(front(engine, sees=True), COMPLETION, {"prompt": other})).status == 200


def test_a_slot_that_has_seen_less_than_was_thought_sees_one_after_the_other(engine: ScriptedLlama) -> None:
    talk = chunks(8, 4096, CHAT, showing(":abc", ":def", words(40)), 0, Progress(90, pictures=2, share=0.5))
    first = _until_chunk(talk)
    assert (len(_prompt(first)["multimodal_data"]), first.known > 0) == (2, True)
    second = talk.send(b'data: {"prompt_progress": {"cache": 0, "total": 99}}\n\n')
    assert len(_prompt(second)["multimodal_data"]) == 1


def test_what_the_engine_cannot_tell_of_tokens_is_no_end_of_places() -> None:
    """Parts of characters; and spaces that some tokenizers put before what follows a special token."""
    text = "one \N{LLAMA} two</s>three " + "four " * 30
    pieces = [b"one", b" \xf0\x9f", b"\xa6", b"\x99", b" two", b"</s>", b" three", b" ??", *[b" four"] * 29, b" four "]
    found = list(places(text, pieces, Place(10, 1, 5), last=True))
    assert found[0] == Place(13, 1, 6)
    assert [place.characters - 10 for place in found[1:4]] == [5, 18, 23]
    assert len(found) > 30
    behind = next(iter(places("\N{LLAMA} two", [b"\xf0\x9f", b"\xa6", b"\x99", b" two"], Place(0, 1, 0), last=True)))
    assert (behind.characters, behind.tokens, behind.more) == (1, 3, "")


@pytest.mark.parametrize(("tokens", "at"), [(0, 0), (20, 0), (21, 1), (41, 2), (10**6, 2)])
def test_the_pictures_that_so_many_tokens_may_be(tokens: int, at: int) -> None:
    known = [Place(0, 0, 0), Place(5, 1, 5), Place(9, 2, 9), Place(20, 2, 12), Place(30, 3, 15)]
    assert covered(known, 2, tokens) == at


_WORDS = st.lists(st.sampled_from(["word", " word", "\n", "  ", "字", " a-long-one", "x"]), max_size=60).map("".join)


@given(st.lists(_WORDS, min_size=2, max_size=5), st.integers(0, 4), st.floats(0, 1), st.integers(0, 50), st.booleans())
def test_chunks_grow_by_a_step_or_by_a_picture(
    texts: list[str], pictures: int, share: float, answer: int, odd: bool
) -> None:
    """Whatever the text, and whatever the slot is thought to have; also where tokens are not quite the text."""
    body = showing(texts[0], *(one for place, text in enumerate(texts[1:]) for one in (f":p{place}", text)))
    progress, before = Progress(0, pictures=pictures, share=share, answer=answer), (0, 0)
    prompt = MARKER.join(texts)
    talk = chunks(8, 4096, CHAT, body, 0, progress)
    part, first = next(talk), True
    try:
        while True:
            if part.path != CHUNK:
                part = talk.send(_told(part, prompt, odd=odd))
                continue
            asked = _prompt(part)
            text, raw = asked["prompt_string"], asked["multimodal_data"]
            assert prompt.startswith(text) or (text.endswith(MARKER + " ") and prompt.startswith(text[:-1]))
            assert text.count(MARKER) == len(raw)
            assert not text.endswith(MARKER)
            now = len(raw), len(text)
            assert now > before
            assert first or now[0] <= before[0] + 1
            before, first = now, False
            part = talk.send(b'data: {"timings": {"cache_n": 1, "prompt_n": 9, "prompt_ms": 900}}\n\n')
    except StopIteration:
        assert before[0] in (0, len(texts) - 1)


def _told(part: Part, prompt: str, *, odd: bool) -> bytes:
    if part.path == TEMPLATE:
        return json.dumps({"prompt": prompt}).encode()
    if part.path == PROPERTIES:
        return json.dumps({"media_marker": MARKER}).encode()
    assert part.path == TOKENS
    text = json.loads(part.content)["content"]
    pieces: list[Any] = [text[at : at + 3] for at in range(0, len(text), 3)]
    if odd and pieces:
        pieces[0] = " " + pieces[0]
        pieces[len(pieces) // 2] = [0xE5, 0xAD]
    return json.dumps({"tokens": [{"id": 1, "piece": piece} for piece in pieces]}).encode()


def _until_chunk(talk: Any) -> Part:
    part: Part = next(talk)
    while part.path != CHUNK:
        part = talk.send(_told(part, f"{MARKER}{MARKER}{words(40)}", odd=False))
    return part


def _prompt(part: Part) -> dict[str, Any]:
    return dict(json.loads(part.content)["prompt"])


@pytest.mark.parametrize(("besides", "size"), [(0.0, 16), (0.1, 16), (0.5, 48), (60.0, 96)])
def test_where_each_chunk_costs_more_they_are_larger(besides: float, size: int) -> None:
    talk = Chunks(16, 0, {})
    talk.pace(200, 2.0, besides)
    assert talk.size == size
