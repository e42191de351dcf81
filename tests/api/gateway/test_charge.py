"""Usage, quotas and allowed models of keys, through the gateway and a real engine."""

from __future__ import annotations

import asyncio
import json
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.quota_desk import Desk
from shared import keys, quota_book
from shared.db import Database, clock_time
from shared.errors import QuotaExceeded
from shared.schema import upgrade
from shared.tables import Job
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served, serve
from tests.waiting import eventually

_CHAT, _MESSAGES, _OLLAMA = "/v1/chat/completions", "/v1/messages", "/api/chat"
_COUNTS: dict[str, dict[str, Any]] = {
    "/v1/messages/count_tokens": {"messages": [{"role": "user", "content": "x"}]},
    "/v1/responses/input_tokens": {"input": "x"},
}
_ERROR = {
    _CHAT: {"message", "type", "param", "code"},
    _MESSAGES: {"type", "message"},
}

Key = Callable[..., dict[str, str]]


@pytest.fixture
def key(door: Served, fleet: Fleet, engine: str) -> Key:
    """Makes a key with limits, beside a ready run; its headers."""
    fleet.ready_run(engine)

    def made(**fields: Any) -> dict[str, str]:
        with door.database.write() as session:
            return {"Authorization": f"Bearer {keys.create(session, 'ci', 'submit', **fields)[1]}"}

    return made


def said(text: str = "one two", **more: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], "max_tokens": 50, **more}


def used(door: Served, headers: dict[str, str]) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = door.get("/v1/usage", headers=headers).json()["data"]
    return rows


def test_requests_of_every_dialect_are_counted_whole_and_streamed(door: Served, key: Key) -> None:
    headers = key()
    for path in (_CHAT, _MESSAGES, _OLLAMA):
        for stream in (False, True):
            answer = door.post(path, said(stream=stream), headers=headers)
            assert answer.status_code == 200, answer.text
    [row] = used(door, headers)
    assert (row["model"], row["requests"], row["completion"], row["joules"]) == ("echo", 6, 12, None)
    assert row["prompt"] > 0
    assert row["seconds"] > 0


def test_a_stream_that_its_client_leaves_is_counted_as_far_as_it_came(door: Served, key: Key) -> None:
    headers = key(limits={"concurrent": 1})
    slow = said("x", stream=True, max_tokens=100_000, echo={"tokens": 100_000, "itl_ms": 20})
    with door.client.stream("POST", _CHAT, json=slow, headers=headers) as answer:
        lines = answer.iter_lines()
        next(lines)
        assert door.post(_CHAT, said(), headers=headers).status_code == 429, "it is the only one that the key may have"
    eventually(lambda: used(door, headers))
    [row] = used(door, headers)
    assert (row["prompt"] > 0, row["completion"] > 0) == (True, True)
    assert door.post(_CHAT, said(), headers=headers).status_code == 200


def test_an_answer_that_its_client_does_not_wait_for_is_counted_as_far_as_it_came(door: Served, key: Key) -> None:
    headers, patience = key(), 0.3
    slow = said("x", max_tokens=100_000, echo={"tokens": 100_000, "itl_ms": 20})

    def counted() -> bool:
        nonlocal patience
        # A busy machine may take longer to begin than the first would wait.
        patience *= 1.5
        with pytest.raises(httpx2.TimeoutException):
            door.post(_CHAT, slow, headers=headers, timeout=patience)
        return any(row["prompt"] > 0 and row["completion"] > 0 for row in used(door, headers))

    eventually(counted)


def test_keys_are_counted_apart_and_see_only_their_own(door: Served, key: Key) -> None:
    mine, theirs = key(), key()
    door.post(_CHAT, said(), headers=mine)
    assert len(used(door, mine)) == 1
    assert used(door, theirs) == []
    assert door.get("/v1/usage?since=2999-01-01").json()["data"] == []


def test_requests_that_failed_cost_nothing(door: Served, key: Key) -> None:
    headers = key()
    assert door.post(_CHAT, said() | {"model": "none"}, headers=headers).status_code == 404
    assert door.post(_CHAT, said(echo={"fail": "error", "status": 500}), headers=headers).status_code == 500
    assert used(door, headers) == []


@pytest.mark.parametrize(("path", "prefix"), [(_CHAT, "x-ratelimit-remaining-"), (_MESSAGES, "anthropic-ratelimit-")])
def test_a_key_that_used_its_requests_is_told_when_to_come_back(door: Served, key: Key, path: str, prefix: str) -> None:
    headers = key(limits={"requests/day": 1, "tokens/day": 10_000})
    first = door.post(path, said(), headers=headers)
    assert [name for name in first.headers if name.startswith(prefix)], dict(first.headers)
    refused = door.post(path, said(), headers=headers)
    assert (refused.status_code, set(refused.json()["error"])) == (429, _ERROR[path])
    assert 0 < int(refused.headers["retry-after"]) <= 86_400
    assert [name for name in refused.headers if name.startswith(prefix)]
    soon = int(refused.headers["retry-after"]) <= 120
    assert refused.headers["x-should-retry"] == ("true" if soon else "false"), "clients would sleep for hours"


@pytest.mark.parametrize("limits", [{"requests/day": 5, "requests/hour": 9}, {"requests/hour": 9, "requests/day": 5}])
def test_what_is_left_of_the_window_that_ends_first_is_told(door: Served, key: Key, limits: dict[str, int]) -> None:
    headers = key(limits={**limits, "tokens/day": 1000})
    for left in ("4", "3"):
        told = door.post(_CHAT, said(), headers=headers).headers
        assert (told["x-ratelimit-limit-requests"], told["x-ratelimit-remaining-requests"]) == ("5", left)
        assert 0 <= int(told["x-ratelimit-reset-requests"].removesuffix("s")) <= 86_400
    told = door.post(_MESSAGES, said(), headers=headers).headers
    assert (told["anthropic-ratelimit-requests-limit"], told["anthropic-ratelimit-requests-remaining"]) == ("5", "2")
    assert told["anthropic-ratelimit-tokens-limit"] == "1000"
    assert 0 < int(told["anthropic-ratelimit-tokens-remaining"]) < 1000
    for unit in ("requests", "tokens"):
        whole = datetime.strptime(told[f"anthropic-ratelimit-{unit}-reset"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        assert (whole.hour, whole.minute, whole.second) == (0, 0, 0), "a day ends at midnight"


@pytest.mark.parametrize("path", _COUNTS)
def test_counting_tokens_takes_a_place_and_no_request(door: Served, key: Key, path: str) -> None:
    headers = key(limits={"concurrent": 1, "requests/day": 2, "tokens/day": 1})
    count = {"model": "echo", **_COUNTS[path]}
    assert [_status(door.post(path, count, headers=headers)) for _ in range(3)] == [200] * 3
    slow = said("x", stream=True, max_tokens=100_000, echo={"tokens": 100_000, "itl_ms": 20})
    with door.client.stream("POST", _CHAT, json=slow, headers=headers) as answer:
        lines = answer.iter_lines()
        next(lines)
        refused = door.post(path, count, headers=headers)
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
    eventually(lambda: _status(door.post(path, count, headers=headers)) == 200, rarest=0.2)
    refused = door.post(_CHAT, said(), headers=headers)
    assert (_status(refused), "tokens" in refused.text) == (429, True), "what was used is known all the same"


def test_ollamas_clients_read_the_refusal_as_a_text(door: Served, key: Key) -> None:
    refused = door.post(_OLLAMA, said(), headers=key(limits={"requests/minute": 0}))
    assert refused.status_code == 429
    assert isinstance(refused.json()["error"], str)


def test_tokens_that_are_used_up_end_the_requests(door: Served, key: Key) -> None:
    headers = key(limits={"tokens/day": 1})
    assert door.post(_CHAT, said(stream=True), headers=headers).status_code == 200
    assert door.post(_CHAT, said(stream=True), headers=headers).status_code == 429


def test_tokens_of_the_prompt_count_too(door: Served, key: Key) -> None:
    headers = key(limits={"tokens/day": 5})
    asked = said("one two three four five", max_tokens=1)
    assert [_status(door.post(_CHAT, asked, headers=headers)) for _ in range(2)] == [200, 429]


def test_what_the_engine_still_knew_is_counted_apart(door: Served, fleet: Fleet) -> None:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Recalling)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        fleet.ready_run(f"http://127.0.0.1:{server.server_port}")
        assert door.post(_CHAT, said()).status_code == 200
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    [row] = used(door, {})
    assert (row["prompt"], row["cached"], row["completion"]) == (9, 5, 2)


class Recalling(BaseHTTPRequestHandler):
    """An engine that has seen five of nine tokens before."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hi"}}
        usage = {"prompt_tokens": 9, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 5}}
        answer = json.dumps({"choices": [choice], "usage": usage}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def test_a_key_uses_only_the_models_it_may(door: Served, key: Key) -> None:
    allowed = key(models=["echo"])
    assert door.post(_CHAT, said(), headers=allowed).status_code == 200
    refused = door.post(_CHAT, said(), headers=key(models=["another"]))
    assert (refused.status_code, refused.json()["error"]["type"]) == (403, "permission_error")
    assert "it may use another" in refused.json()["error"]["message"]


def test_a_key_is_shown_only_the_models_it_may_use(door: Served, key: Key) -> None:
    for allowed, seen in (["echo"], ["echo"]), (["another"], []):
        headers = key(models=allowed)
        assert [each["id"] for each in door.get("/v1/models", headers=headers).json()["data"]] == seen
        said_by = headers | {"anthropic-version": "2023-06-01"}
        assert [each["id"] for each in door.get("/v1/models", headers=said_by).json()["data"]] == seen
        tags = door.get("/api/tags", headers=headers).json()["models"]
        assert [each["model"] for each in tags] == [f"{name}:latest" for name in seen]
        status = 200 if seen else 403
        assert door.get("/v1/models/echo", headers=headers).status_code == status
        assert door.get("/v1/models/echo", headers=said_by).status_code == status
        assert door.post("/api/show", {"model": "echo"}, headers=headers).status_code == status
        assert [each["name"] for each in door.get("/api/ps", headers=headers).json()["models"]] == [
            f"{name}:latest" for name in seen
        ]


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_a_number_that_no_engine_reads_is_no_json(door: Served, key: Key, number: str) -> None:
    body = '{"model": "echo", "messages": [{"role": "user", "content": "hi"}], "temperature": ' + number + "}"
    answer = door.client.post(_CHAT, content=body, headers=key())
    assert (answer.status_code, answer.json()["error"]["type"]) == (400, "invalid_request_error")
    assert number in answer.json()["error"]["message"]


def test_what_jobs_used_is_counted_once_however_often_their_end_is_told(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    result = {"items": 1, "prompt_tokens": 7, "completion_tokens": 3, "seconds": 0.5}
    for _ in range(2):
        fleet.finish(ref, result=result)
    [row] = used(door, {})
    assert (row["key"], row["model"], row["requests"], row["prompt"], row["completion"]) == ("", "echo", 1, 7, 3)


def test_what_a_job_answered_is_counted_whatever_becomes_of_it(door: Served, fleet: Fleet) -> None:
    cut, ended = fleet.running_job(), fleet.running_job()
    for ref in (cut, ended):
        for _ in range(2):
            fleet.keep(
                ref, answered(0, prompt=7, cached=3, completion=2), answered(1, prompt=7, cached=7, completion=1)
            )
    fleet.keep(cut, {"index": 2, "data": {"error": {"code": "engine_failed"}, "seconds": 0.5}})
    fleet.finish(cut, "cancelled")
    fleet.finish(ended, result={"items": 2, "prompt_tokens": 14, "completion_tokens": 3, "seconds": 9.0})
    [row] = used(door, {})
    assert (row["requests"], row["prompt"], row["cached"], row["completion"]) == (4, 28, 20, 6)
    assert row["seconds"] == pytest.approx(2.0)


def test_tokens_of_a_batch_are_missing_at_once_in_what_the_key_may_use(door: Served, fleet: Fleet) -> None:
    with door.database.write() as session:
        row, secret = keys.create(session, "ci", "submit", limits={"tokens/day": 10})
        owner = row.id
    ref = fleet.running_job()
    with door.database.write() as session:
        session.get_one(Job, ref.job_id).owner = owner
    fleet.keep(ref, answered(0, prompt=9, cached=0, completion=2))
    door.parts.meter.write()
    assert _status(door.post(_CHAT, said(), headers={"Authorization": f"Bearer {secret}"})) == 429


def answered(index: int, *, prompt: int, cached: int, completion: int) -> dict[str, Any]:
    """A finished piece of a job."""
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
    }
    return {"index": index, "data": {"response": {}, "usage": usage, "seconds": 0.5}}


def test_what_was_counted_is_written_when_the_front_door_stops_and_holds_the_prompt_nowhere(
    tmp_path: Path, engine: str
) -> None:
    url, secret = f"sqlite:///{tmp_path / 'kept.db'}", "the-prompt-that-nobody-keeps"
    database = Database(url)
    try:
        upgrade(database)
        with serve(database, tmp_path, host_name="studio") as door:
            fleet = Fleet(door, "studio")
            fleet.register()
            fleet.ready_run(engine)
            assert door.post(_CHAT, said(secret)).status_code == 200
        with sqlite3.connect(tmp_path / "kept.db") as kept:
            assert kept.execute('SELECT model, requests FROM "usage"').fetchall() == [("echo", 1)]
            assert secret not in "\n".join(kept.iterdump())
    finally:
        database.close()


@pytest.mark.parametrize("limits", [{"requests/hour": 2}, {"requests/day": 2}])
def test_two_front_doors_count_together(open_door: Opener, door: Served, key: Key, limits: dict[str, int]) -> None:
    headers = key(limits=limits)
    other = open_door(host_name="studio")
    assert [_status(each.post(_CHAT, said(), headers=headers)) for each in (door, other)] == [200, 200]
    assert [_status(each.post(_CHAT, said(), headers=headers)) for each in (door, other)] == [429, 429]


def test_tokens_used_at_one_front_door_are_missing_at_the_other(open_door: Opener, door: Served, key: Key) -> None:
    headers = key(limits={"tokens/day": 1})
    other = open_door(host_name="studio")
    assert _status(door.post(_CHAT, said(), headers=headers)) == 200
    door.parts.meter.write()
    assert _status(other.post(_CHAT, said(), headers=headers)) == 429


def test_requests_at_once_are_counted_at_all_front_doors(open_door: Opener, door: Served, key: Key) -> None:
    headers = key(limits={"concurrent": 1})
    other = open_door(host_name="studio")
    slow = said("x", stream=True, max_tokens=100_000, echo={"tokens": 100_000, "itl_ms": 20})
    with door.client.stream("POST", _CHAT, json=slow, headers=headers) as answer:
        next(answer.iter_lines())
        assert _status(other.post(_CHAT, said(), headers=headers)) == 429
    eventually(lambda: _status(other.post(_CHAT, said(), headers=headers)) == 200, rarest=0.2)


@pytest.mark.parametrize(("ago", "status"), [(-600.0, 429), (60.0, 200)])
def test_places_at_a_front_door_that_died_are_free_again(door: Served, key: Key, ago: float, status: int) -> None:
    headers = key(limits={"concurrent": 1})
    [row] = door.get("/v1/keys").json()["data"]
    with door.database.write() as session:
        quota_book.fly(session, "door_elsewhere", {row["id"]: 1}, clock_time(session) - ago)
    assert _status(door.post(_CHAT, said(), headers=headers)) == status


def test_places_at_a_front_door_that_stopped_are_free_at_once(door: Served) -> None:
    with door.database.write() as session:
        secret = keys.create(session, "ci", "submit", limits={"concurrent": 1})[1]
    with door.database.read() as session:
        caller = keys.caller(session, secret)
    assert caller is not None
    stopped, other = Desk(door.database), Desk(door.database)
    asyncio.run(stopped.admit(caller))
    with pytest.raises(QuotaExceeded):
        asyncio.run(other.admit(caller))
    stopped.close()
    assert asyncio.run(other.admit(caller)).counted


def test_many_at_once_get_no_more_than_the_limit(door: Served, key: Key) -> None:
    headers = key(limits={"requests/day": 5})
    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _: _status(door.post(_CHAT, said(), headers=headers)), range(12)))
    assert sorted(answers) == [200] * 5 + [429] * 7


@pytest.mark.parametrize("limit", ["requests/day", "tokens/day"])
def test_a_new_limit_of_a_day_counts_what_was_used_before_it(door: Served, key: Key, limit: str) -> None:
    headers = key()
    assert _status(door.post(_CHAT, said(), headers=headers)) == 200
    door.parts.meter.write()
    [row] = door.get("/v1/keys").json()["data"]
    door.client.patch(f"/v1/keys/{row['id']}", json={"limits": {limit: 1}})
    assert _status(door.post(_CHAT, said(), headers=headers)) == 429


def _status(answer: httpx2.Response) -> int:
    return answer.status_code


def test_what_names_no_model_is_counted_for_the_default(open_door: Opener, engine: str) -> None:
    door = open_door(host_name="studio", default_model="echo")
    fleet = Fleet(door, "studio")
    fleet.register()
    fleet.ready_run(engine)
    asked = said()
    del asked["model"]
    assert door.post(_CHAT, asked).status_code == 200
    assert [row["model"] for row in used(door, {})] == ["echo"]
