"""The log of requests through the gateway; what was said is in it only when that is wanted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from shared.calls import content_of
from shared.tables import Run
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.api.test_gateway import chat
from tests.waiting import eventually

_CHAT = "/v1/chat/completions"


def calls(door: Served, **more: Any) -> list[dict[str, Any]]:
    answer = door.get("/v1/calls", **more)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def _attended(door: Served, run_id: str) -> bool:
    """Requests on this run are told to its host, and keep it from being evicted."""
    with door.database.read() as session:
        return session.get_one(Run, run_id).attended > 0


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
    slow = chat("x", stream=True, echo={"tokens": 100_000, "itl_ms": 20})
    with door.client.stream("POST", _CHAT, json=slow) as answer:
        next(answer.iter_lines())
    eventually(lambda: len(calls(door)) == 3)
    assert [call["outcome"] for call in calls(door)] == ["left", "not_found", "engine_failed"]


def test_a_call_that_its_key_may_not_make_any_more_is_logged(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    key = door.post("/v1/keys", {"name": "ci", "limits": {"requests/day": 0}}).json()
    refused = door.post(_CHAT, chat("x"), headers={"Authorization": f"Bearer {key['key']}"})
    assert refused.status_code == 429
    eventually(lambda: calls(door))
    [call] = calls(door)
    assert (call["key"], call["model"], call["outcome"]) == (key["id"], "echo", "rate_limit_exceeded")


def test_names_that_no_database_stores_are_refused_and_change_nothing_for_others(
    door: Served, fleet: Fleet, engine: str
) -> None:
    run_id = fleet.ready_run(engine).run_id
    for odd in ("\ud800", "a\0b"):
        content = json.dumps(chat("x") | {"model": odd})
        answer = door.client.post(_CHAT, content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400, answer.text
    eventually(lambda: [call["model"] for call in calls(door)] == ["a?b", "?"])
    slow = chat("x", stream=True, echo={"tokens": 100_000, "itl_ms": 20})
    with door.client.stream("POST", _CHAT, json=slow) as stream:
        next(stream.iter_lines())
        eventually(lambda: _attended(door, run_id))


def test_a_key_sees_its_own_calls(door: Served, fleet: Fleet, engine: str) -> None:
    fleet.ready_run(engine)
    headers = [
        {"Authorization": f"Bearer {door.post('/v1/keys', {'name': 'ci'}).json()['key']}"} for _ in range(2)
    ]  # fmt: skip
    door.post(_CHAT, chat("x"), headers=headers[0])
    assert [len(calls(door, headers=each)) for each in headers] == [1, 0]


def test_what_no_database_has_a_number_for_is_not_kept() -> None:
    assert content_of({"temperature": float("nan")}) == {"bytes": 20}
