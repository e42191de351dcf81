"""The log of requests through the gateway; what was said is in it only when that is wanted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.api.test_gateway import chat, engine
from tests.waiting import eventually

__all__ = ["engine"]

_CHAT = "/v1/chat/completions"


def calls(door: Served, **more: Any) -> list[dict[str, Any]]:
    answer = door.get("/v1/calls", **more)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_is_logged_without_what_was_said(door: Served, fleet: Fleet, engine: str, stream: bool) -> None:
    fleet.ready_run(engine)
    answer = door.post(_CHAT, chat("one two", stream=stream))
    eventually(lambda: calls(door))
    [call] = calls(door)
    assert call["request_id"] == answer.headers["x-request-id"]
    assert (call["path"], call["model"], call["outcome"], call["completion"]) == (_CHAT, "echo", "done", 2)
    assert (call["key"], call["content"]) == ("", None)
    assert call["seconds"] > 0


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_said_is_kept_when_that_is_wanted(open_door: Opener, engine: str, stream: bool) -> None:
    door = open_door(host_name="studio", log_content=True)
    fleet = Fleet(door, "studio")
    fleet.register()
    fleet.ready_run(engine)
    door.post(_CHAT, chat("the question", stream=stream))
    eventually(lambda: calls(door))
    [call] = calls(door)
    assert call["content"]["messages"] == [{"role": "user", "content": "the question"}]


def test_calls_that_fail_or_are_left_say_so(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    door.post(_CHAT, chat("x", echo={"fail": "error", "status": 500}))
    door.post(_CHAT, chat("x") | {"model": "none"})
    slow = chat("x", stream=True, echo={"tokens": 1000, "itl_ms": 20})
    with door.client.stream("POST", _CHAT, json=slow) as answer:
        next(answer.iter_lines())
    eventually(lambda: len(calls(door)) == 3)
    assert [call["outcome"] for call in calls(door)] == ["left", "not_found", "engine_failed"]


def test_a_key_sees_its_own_calls(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    headers = [
        {"Authorization": f"Bearer {door.post('/v1/keys', {'name': 'ci'}).json()['key']}"} for _ in range(2)
    ]  # fmt: skip
    door.post(_CHAT, chat("x"), headers=headers[0])
    assert [len(calls(door, headers=each)) for each in headers] == [1, 0]
