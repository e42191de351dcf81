"""Long prompts that are read at the same time, those who leave meanwhile, and runs that have no slot for a chunk."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import httpx2
import pytest

from api.gateway import telling
from api.sse import KEEP_ALIVE
from shared import chunked_prefill
from tests.api.fleet import Fleet
from tests.api.gateway.scripted_llama import ANSWER, STEP, Asked, ScriptedLlama, words
from tests.api.security.wire import request, wire
from tests.api.served import Served
from tests.serving import serving
from tests.waiting import eventually

_CHAT = "/v1/chat/completions"


@pytest.fixture(autouse=True)
def _a_step_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chunked_prefill, "_CHUNK_SECONDS", 0.0)
    monkeypatch.setattr(chunked_prefill, "_PROMPTLY", 600.0)


@contextmanager
def ready(fleet: Fleet, slots: int) -> Iterator[ScriptedLlama]:
    """A run that holds each chunk until it is let go."""
    with serving(ScriptedLlama(slots)) as server:
        server.holding = lambda asked: asked.is_chunk
        fleet.ready_run(served=server.endpoint)
        yield server


@pytest.fixture
def llama(fleet: Fleet) -> Iterator[ScriptedLlama]:
    with ready(fleet, slots=4) as server:
        yield server


def chat(name: str, number: int = 5 * STEP, **more: Any) -> dict[str, Any]:
    """One whose prompt begins with a name."""
    return {"model": "echo", "messages": [{"role": "user", "content": f"{name} {words(number)}"}], **more}


class Asking:
    """One request in a thread."""

    def __init__(self, door: Served, body: dict[str, Any]) -> None:
        self._answers: list[httpx2.Response] = []
        self._thread = threading.Thread(target=lambda: self._answers.append(door.post(_CHAT, body)), daemon=True)
        self._thread.start()

    def answer(self) -> str:
        self._thread.join(30)
        assert not self._thread.is_alive(), "it still waits"
        assert self._answers[0].status_code == 200, self._answers[0].text
        return self._answers[0].text


def whose(llama: ScriptedLlama, asked: list[Asked]) -> list[str]:
    """The names with which these prompts begin."""
    names = {llama.tokens(name)[0]: name for name in ("anna", "ben", "carl")}
    return [next(names[token] for token in llama.prompt_of(one) if token in names) for one in asked]


def in_flight(door: Served) -> int:
    return sum(load.requests for load in door.app.state.seats._tenancy.loads.values())


def tokenized(llama: ScriptedLlama) -> int:
    return sum(one.path == "/tokenize" for one in list(llama.asked))


def test_long_prompts_take_turns_and_a_short_one_goes_past_them(door: Served, llama: ScriptedLlama) -> None:
    anna, ben = Asking(door, chat("anna")), Asking(door, chat("ben"))
    eventually(lambda: (tokenized(llama), len(llama.held)) == (2, 1))
    assert ANSWER[0] in Asking(door, chat("carl", number=2)).answer()
    assert len(llama.held) == len(llama.chunks) == 1, "one chunk at a time"
    llama.let_go(100)
    assert all(ANSWER[0] in one.answer() for one in (anna, ben))
    order = whose(llama, llama.chunks)
    assert sorted(order) == ["anna"] * 5 + ["ben"] * 5
    both = order[order.index({"anna": "ben", "ben": "anna"}[order[0]]) - 1 : -1]
    assert all(one != other for one, other in pairwise(both))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_leaves_in_a_chunk_is_not_read_on_for(door: Served, llama: ScriptedLlama, stream: bool) -> None:
    with wire(door) as connection:
        connection.sendall(request(_CHAT, json.dumps(chat("anna", stream=stream)).encode()))
        eventually(lambda: llama.held)
    eventually(lambda: llama.left == 1)
    eventually(lambda: not in_flight(door))
    assert (len(llama.chunks), llama.answered) == (1, [])


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_leaves_while_another_is_read_is_not_read_for(door: Served, llama: ScriptedLlama, stream: bool) -> None:
    anna = Asking(door, chat("anna"))
    eventually(lambda: llama.held)
    with wire(door) as connection:
        connection.sendall(request(_CHAT, json.dumps(chat("ben", stream=stream)).encode()))
        eventually(lambda: tokenized(llama) == 2)
    eventually(lambda: in_flight(door) == 1)
    llama.let_go(100)
    anna.answer()
    assert (set(whose(llama, llama.chunks)), len(llama.answered)) == ({"anna"}, 1)


def test_more_requests_than_slots_are_sent_whole(door: Served, fleet: Fleet) -> None:
    with ready(fleet, slots=1) as llama:
        anna = Asking(door, chat("anna"))
        eventually(lambda: llama.held)
        llama.holding = lambda asked: asked.is_chunk or "ben" in json.dumps(asked.body)
        ben = Asking(door, chat("ben"))
        eventually(lambda: len(llama.held) == 2)
        llama.let_go(1)
        llama.let_go(1)
        assert ANSWER[0] in anna.answer()
        assert ANSWER[0] in ben.answer()
        assert whose(llama, llama.chunks) == ["anna"]


def test_a_run_full_of_jobs_that_know_of_nobody_is_sent_prompts_whole(door: Served, fleet: Fleet) -> None:
    with ready(fleet, slots=4) as llama:
        llama.let_go(100)
        [run] = door.get("/v1/runs").json()["data"]
        for _ in range(4):
            fleet.assign(door.submit(), run["id"])
        Asking(door, chat("anna")).answer()
        assert llama.chunks == []
        eventually(lambda: door.app.state.seats._tenancy._attended)
        Asking(door, chat("ben")).answer()
        assert set(whose(llama, llama.chunks)) == {"ben"}


def test_who_waits_for_chunks_is_shown_that_something_happens(
    door: Served, llama: ScriptedLlama, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(telling, "_QUIET", 0.01)
    monkeypatch.setattr(telling, "_SIGN", 0.01)
    with door.client.stream("POST", _CHAT, json=chat("anna", stream=True)) as answer:
        pieces = answer.iter_bytes()
        signs = [next(pieces) for _ in range(3)]
        assert set(b"".join(signs).split(b"\n\n")) == {KEEP_ALIVE.strip(), b""}
        llama.let_go(100)
        assert ANSWER[0].encode() in b"".join(pieces)
