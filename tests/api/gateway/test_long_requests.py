"""Requests that are too long for a run: answered where there is room, on real engines."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from shared.runtimes import Endpoint
from shared.tables import Model, Run
from shared.vocabulary import RunState
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.models import smollm2
from tests.runs import running
from tests.waiting import eventually

pytestmark = pytest.mark.model

_CHAT = "/v1/chat/completions"
#: More than 600 tokens, which by their length look like 150.
_DENSE = "1 " * 300
_FAR_TOO_LONG = "1 " * 1100


@pytest.fixture(scope="module")
def small() -> Iterator[Endpoint]:
    with running("llama-cpp", smollm2(), slots=1, context=512, threads=1) as process:
        yield process.endpoint


@pytest.fixture(scope="module")
def large() -> Iterator[Endpoint]:
    with running("llama-cpp", smollm2(), slots=1, context=2048, threads=1) as process:
        yield process.endpoint


@pytest.fixture
def model(door: Served, fleet: Fleet) -> Fleet:
    """The model of the runs can have 2048 tokens of context."""
    with door.database.write() as session:
        session.query(Model).filter_by(name="echo").update({"context": 2048})
    return fleet


def asked(door: Served, text: str, *, stream: bool = False) -> httpx2.Response:
    body = {"model": "echo", "messages": [{"role": "user", "content": text}], "max_tokens": 4, "stream": stream}
    return door.post(_CHAT, body, timeout=100.0)


def runs(door: Served) -> list[dict[str, Any]]:
    data: list[dict[str, Any]] = door.get("/v1/runs").json()["data"]
    return data


@pytest.mark.parametrize("stream", [False, True])
def test_what_is_too_long_for_one_run_is_answered_by_another(
    door: Served, model: Fleet, small: Endpoint, large: Endpoint, stream: bool
) -> None:
    model.ready_run(served=small)
    model.ready_run(served=large)
    for text in ("hello", _DENSE, "word " * 550):
        answer = asked(door, text, stream=stream)
        assert answer.status_code == 200, answer.text
        assert "error" not in answer.text
    assert len(runs(door)) == 2


def test_a_run_with_room_is_started_when_the_model_can_have_it(
    door: Served, model: Fleet, small: Endpoint, large: Endpoint
) -> None:
    model.ready_run(served=small)
    answers: list[httpx2.Response] = []
    asking = [threading.Thread(target=lambda: answers.append(asked(door, _DENSE))) for _ in range(2)]
    for thread in asking:
        thread.start()
    eventually(lambda: len(runs(door)) == 2, 60)
    with door.database.read() as session:
        [started] = session.query(Run).filter_by(state=RunState.PENDING)
    assert started.spec["context"] == 1024, "room for the prompt and the answer"
    model.make_ready(started.id, "", large)
    for thread in asking:
        thread.join()
    assert [answer.status_code for answer in answers] == [200, 200]
    assert len(runs(door)) == 2


def test_what_no_run_could_hold_is_told_with_the_numbers(door: Served, model: Fleet, small: Endpoint) -> None:
    model.ready_run(served=small)
    answer = asked(door, _FAR_TOO_LONG)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (400, "context_length_exceeded")
    assert "a context of 512" in error["message"]
    assert "2048 at most" in error["message"]
    assert len(runs(door)) == 1


def test_clients_find_the_words_by_which_they_shorten_a_talk(door: Served, model: Fleet, small: Endpoint) -> None:
    model.ready_run(served=small)
    message = asked(door, _FAR_TOO_LONG).json()["error"]["message"]
    # LangChain looks for the first, LiteLLM for the second.
    assert "prompt is too long" in message
    assert "exceeds the available context size" in message
    told = {"model": "echo", "max_tokens": 4, "messages": [{"role": "user", "content": _FAR_TOO_LONG}]}
    message = door.post("/v1/messages", told, timeout=100.0).json()["error"]["message"]
    # Claude Code and LangChain look for these, and Claude Code for the numbers.
    assert re.match(r"prompt is too long: \d+ tokens > 2048 maximum\. ", message), message
