"""Engines that do not read ahead, that go away while they do, and that talk nonsense."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared import chunked_prefill
from shared.engine_pass import REFUSED
from tests.api.fleet import Fleet
from tests.api.gateway.scripted_llama import (
    ANSWER,
    CHAT,
    COMPLETION,
    STEP,
    TEMPLATE,
    TOKENS,
    Asked,
    Replies,
    Reply,
    ScriptedLlama,
    words,
)
from tests.api.gateway.test_prefilling_turns import Asking, chat
from tests.api.served import Served
from tests.serving import serving
from tests.waiting import eventually

_CHAT = "/v1/chat/completions"
_BREAKS = Reply(status=None)


@pytest.fixture(autouse=True)
def _a_step_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_prefill, "_CHUNK_SECONDS", 0.0)


@pytest.fixture
def llama(fleet: Fleet) -> Iterator[ScriptedLlama]:
    with serving(ScriptedLlama()) as server:
        fleet.ready_run(served=server.endpoint)
        yield server


@pytest.fixture
def other(mini: Fleet) -> Iterator[ScriptedLlama]:
    """Of another host, behind its agent."""
    with serving(ScriptedLlama()) as server:
        mini.ready_run(served=server.endpoint)
        yield server


def ask(door: Served, *, stream: bool = False, **more: Any) -> httpx2.Response:
    body = {"model": "echo", "messages": [{"role": "user", "content": words(5 * STEP)}], "stream": stream}
    return door.post(_CHAT, body | more)


def on(path: str, reply: Reply, number: int = 1) -> Replies:
    """This reply to all requests there from one on; of completions only chunks are meant."""
    seen = iter(range(1, 1000))

    def replied(asked: Asked) -> Reply | None:
        meant = asked.path == path and (asked.is_chunk or path != COMPLETION)
        return reply if meant and next(seen) >= number else None

    return replied


def as_json(said: Any) -> Reply:
    return Reply(content=json.dumps(said).encode())


def as_event(said: Any) -> Reply:
    return Reply(content=f"data: {json.dumps(said)}\n\n".encode())


_REFUSED = Reply(501, b'{"error":{"message":"This feature is disabled"}}')
_FAILED = Reply(500, b'{"error":{"message":"it cannot"}}')
_TIMED = {"cache_n": 0, "prompt_n": 8, "prompt_ms": 1.0}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize(
    ("path", "reply"),
    [
        (TEMPLATE, _REFUSED),
        (TEMPLATE, Reply(content=b"<html>")),
        (TEMPLATE, as_json(["prompt"])),
        (TEMPLATE, as_json({"prompt": 7})),
        (TOKENS, _FAILED),
        (TOKENS, as_json({"tokens": [{"id": 1}] * 60})),
        (TOKENS, as_json({"tokens": [-1] * 60})),
        (TOKENS, as_json({"tokens": [2**40] * 60})),
        (TOKENS, as_json({})),
        (COMPLETION, _FAILED),
        (COMPLETION, Reply(content=b"")),
        (COMPLETION, Reply(content=b"data: {\xff")),
        (COMPLETION, as_event({"error": {"code": 500, "message": "it cannot"}})),
        (COMPLETION, as_event({"timings": {}})),
        (COMPLETION, as_event({"timings": _TIMED | {"cache_n": -1}})),
        (COMPLETION, as_event({"timings": _TIMED | {"cache_n": "8"}})),
        (COMPLETION, as_event({"timings": _TIMED | {"cache_n": 10**400}})),
        (COMPLETION, as_event({"timings": _TIMED | {"prompt_ms": float("nan")}})),
    ],
)
def test_what_an_engine_does_not_read_ahead_is_sent_whole(
    door: Served, llama: ScriptedLlama, path: str, reply: Reply, stream: bool
) -> None:
    llama.replies = on(path, reply)
    answer = ask(door, stream=stream)
    assert answer.status_code == 200, answer.text
    assert all(word in answer.text for word in ANSWER)
    assert len(llama.answered) == 1
    assert len(llama.chunks) <= 1


@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize(
    ("refusal", "status"), [(Reply(400, b'{"error":{"message":"too hot"}}'), 400), (_FAILED, 500), (_REFUSED, 500)]
)
def test_what_an_engine_refuses_is_told_in_its_own_words(
    door: Served, llama: ScriptedLlama, refusal: Reply, status: int, number: int
) -> None:
    chunks = on(COMPLETION, refusal, number)
    llama.replies = lambda asked: chunks(asked) or (refusal if asked.path == CHAT else None)
    answer = ask(door)
    message = json.loads(refusal.content)["error"]["message"]
    assert (answer.status_code, message in answer.json()["error"]["message"]) == (status, True)
    assert (len(llama.chunks), len(llama.answered)) == (number, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("number", [1, 3])
@pytest.mark.parametrize("path", [TEMPLATE, TOKENS, COMPLETION])
def test_a_run_that_goes_away_in_a_chunk_is_replaced_by_another(
    door: Served, llama: ScriptedLlama, other: ScriptedLlama, path: str, number: int, stream: bool
) -> None:
    for first, second in ((llama, other), (other, llama)):
        first.replies, second.replies = on(path, _BREAKS), lambda _: None
        answer = ask(door, stream=stream)
        assert answer.status_code == 200, answer.text
        assert answer.text.count(ANSWER[0]) == 1


def test_a_run_that_goes_away_is_replaced_once(door: Served, llama: ScriptedLlama, other: ScriptedLlama) -> None:
    llama.replies = other.replies = lambda asked: _BREAKS if asked.path in (COMPLETION, CHAT) else None
    answer = ask(door)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert (len(llama.chunks), len(other.chunks)) == (1, 1)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_a_run_whose_agent_has_it_no_more_is_replaced(
    door: Served, llama: ScriptedLlama, mini: Fleet, stream: bool
) -> None:
    gone = Reply(502, b"", ((REFUSED, "the run is not here any more"),))
    chunks = on(COMPLETION, gone, 2)
    llama.replies = lambda asked: chunks(asked) or (gone if asked.path == CHAT else None)
    asking = Asking(door, chat("anna", stream=stream))
    eventually(lambda: llama.answered)
    with serving(ScriptedLlama()) as other:
        mini.ready_run(served=other.endpoint)
        assert ANSWER[0] in asking.answer()
    assert (len(llama.chunks), len(llama.answered), len(other.answered)) == (2, 1, 1)


def test_those_who_wait_at_a_run_that_went_away_do_not_find_that_out_in_turn(
    door: Served, llama: ScriptedLlama, mini: Fleet
) -> None:
    llama.holding = lambda asked: asked.is_chunk
    llama.replies = on(COMPLETION, _BREAKS)
    both = [Asking(door, chat(name, stream=True)) for name in ("anna", "ben")]
    eventually(lambda: (sum(one.path == TOKENS for one in list(llama.asked)), len(llama.held)) == (2, 1))
    llama.let_go(100)
    eventually(lambda: llama.answered)
    assert len(llama.chunks) == 1
    with serving(ScriptedLlama()) as other:
        mini.ready_run(served=other.endpoint)
        assert [ANSWER[0] in asking.answer() for asking in both] == [True, True]
