"""Message batches as their clients count and list them, and what they leave behind: nothing once they are removed."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, text

from api.batches import rows
from shared import files
from shared.files import NO_LIMIT
from shared.jobs import pieces
from shared.requests import ASK_PROGRESS
from shared.tables import File, Result
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually

_PATH = "/v1/messages/batches"
_PARAMS = {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
_NONE = {"processing": 0, "succeeded": 0, "errored": 0, "canceled": 0, "expired": 0}


def test_a_batch_of_too_many_requests_is_refused_at_once(open_door: Opener, tmp_path: Path) -> None:
    door = open_door(host_name="studio", batch_limit=2)
    wanted = {"requests": [{"custom_id": f"c{number}", "params": {}} for number in range(3)]}
    answer = door.post(_PATH, wanted)
    assert (answer.status_code, answer.json()["type"]) == (400, "error")
    told = answer.json()["error"]
    assert told["type"] == "invalid_request_error"
    assert told["message"].startswith("requests is wrong: a batch may have 2, and it has 3")
    assert _kept(tmp_path) == set()


def test_requests_whose_batch_the_database_refuses_are_not_kept(door: Served, tmp_path: Path) -> None:
    wanted = {"requests": [{"custom_id": "a", "params": {}}]}
    assert door.post(_PATH, wanted).status_code == 200
    with door.database.write() as session:
        session.execute(text("CREATE UNIQUE INDEX odd ON batches (dialect)"))
    try:
        assert door.post(_PATH, wanted).status_code == 500
    finally:
        # The next test has the same tables.
        with door.database.write() as session:
            session.execute(text("DROP INDEX odd"))
    # The first one is begun meanwhile, and writes files of its own.
    eventually(lambda: _kept(tmp_path) == _known(door))


def _known(door: Served) -> set[str]:
    with door.database.read() as session:
        return set(session.scalars(select(File.id)))


def test_a_batch_that_was_removed_by_half_is_there_until_it_is_removed(
    door: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_AT_ONCE", 2)
    params = {"model": "echo", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}
    made = door.post(_PATH, {"requests": [{"custom_id": "a", "params": params}]}).json()["id"]
    eventually(lambda: bool(door.get("/v1/jobs").json()["data"]))
    job = door.get("/v1/jobs").json()["data"][0]["id"]
    door.post(f"{_PATH}/{made}/cancel")
    eventually(lambda: door.get(f"{_PATH}/{made}").json()["processing_status"] == "ended")
    with door.database.write() as session:
        kept = {"job_id": job, "attempt": 1, "data": {}, "failed": False, "created_at": 1.0}
        session.execute(insert(Result), [{**kept, "index": index} for index in range(5)])
    with door.database.write() as session:
        assert rows.remove(session, made, "anthropic") is None
    assert (_answers(door), len(door.get(f"{_PATH}/{made}/results").text.splitlines())) == (3, 1)
    assert door.client.delete(f"{_PATH}/{made}").status_code == 200
    assert (_answers(door), door.get(f"{_PATH}/{made}").status_code) == (0, 404)


def test_each_request_counts_as_what_became_of_it(door: Served, fleet: Fleet) -> None:
    wanted = [{"custom_id": name, "params": _PARAMS | {"stream": True}} for name in ("answered", "refused", "left")]
    made = door.post(_PATH, {"requests": [*wanted, {"custom_id": "wrong", "params": {"model": "echo"}}]}).json()
    assert made["request_counts"] == _NONE | {"processing": 4}
    assert _moment(made["expires_at"]) - _moment(made["created_at"]) == timedelta(days=1)
    assert (made["ended_at"], made["cancel_initiated_at"], made["results_url"]) == (None, None, None)
    eventually(lambda: bool(door.get("/v1/jobs").json()["data"]))
    ref = fleet.assign(door.get("/v1/jobs").json()["data"][0]["id"], fleet.ready_run().run_id)
    [assignment] = fleet.claim(ref)
    asked = door.get(f"/v1/files/{assignment.params['file']}/content").text.splitlines()
    streamed = [{"stream", ASK_PROGRESS} & set(json.loads(line)["body"]) for line in asked]
    assert streamed == [set()] * 3, "nobody is there to stream to"
    choice = {"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}
    fleet.keep(
        ref,
        {"index": 0, "data": {"response": {"choices": [choice]}, "usage": {}, "seconds": 0.5}},
        {"index": 1, "data": {"error": {"code": "invalid_input", "what": "No", "why": "", "fix": ""}}},
    )
    path = f"{_PATH}/{made['id']}"
    assert door.get(path).json()["request_counts"] == _NONE | {"processing": 2, "succeeded": 1, "errored": 1}
    ending = door.post(f"{path}/cancel").json()
    assert _moment(ending["cancel_initiated_at"]) >= _moment(made["created_at"])
    fleet.finish(ref, "cancelled")
    ended = _ended(door, made["id"])
    assert ended["request_counts"] == _NONE | {"succeeded": 1, "errored": 2, "canceled": 1}
    assert _moment(ended["ended_at"]) >= _moment(ended["cancel_initiated_at"])
    assert {name: result["type"] for name, result in _results(door, ended).items()} == {
        "answered": "succeeded", "refused": "errored", "left": "canceled", "wrong": "errored",
    }  # fmt: skip


def test_requests_that_no_time_was_left_for_expire(door: Served) -> None:
    line = json.dumps({"custom_id": "a", "params": _PARAMS}).encode()
    stored = door.parts.store.store(BytesIO(line), NO_LIMIT)
    with door.database.write() as session:
        files.add(session, stored, name="in.jsonl", purpose="batch", content_type="application/jsonl")
        late = rows.add(
            session, "anthropic", "/v1/messages", stored.id, owner="", window="24h", seconds=-1.0, details={}
        )
        batch = late.id
    ended = _ended(door, batch)
    assert ended["request_counts"] == _NONE | {"expired": 1}
    assert _results(door, ended) == {"a": {"type": "expired"}}


def test_batches_are_listed_one_by_one_in_both_directions(door: Served) -> None:
    wanted = {"requests": [{"custom_id": "a", "params": _PARAMS}]}
    newest, middle, oldest = reversed([door.post(_PATH, wanted).json()["id"] for _ in range(3)])
    pages = [
        ({}, newest, True), ({"after_id": newest}, middle, True), ({"after_id": middle}, oldest, False),
        ({"before_id": oldest}, middle, True), ({"before_id": middle}, newest, False),
    ]  # fmt: skip
    for place, told, more in pages:
        page = door.get(_PATH, params={"limit": 1, **place}).json()
        assert [each["id"] for each in page["data"]] == [told]
        assert (page["first_id"], page["last_id"], page["has_more"]) == (told, told, more)
    both = door.get(_PATH, params={"before_id": oldest}).json()
    assert ([each["id"] for each in both["data"]], both["has_more"]) == ([newest, middle], False)
    assert door.get(_PATH, params={"before_id": newest}).json() == {
        "data": [], "has_more": False, "first_id": None, "last_id": None,
    }  # fmt: skip


def _ended(door: Served, batch: str) -> dict[str, Any]:
    eventually(lambda: door.get(f"{_PATH}/{batch}").json()["processing_status"] == "ended")
    return dict(door.get(f"{_PATH}/{batch}").json())


def _results(door: Served, ended: dict[str, Any]) -> dict[str, dict[str, Any]]:
    told = [json.loads(line) for line in door.get(ended["results_url"]).text.splitlines()]
    return {each["custom_id"]: each["result"] for each in told}


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _answers(door: Served) -> int:
    with door.database.read() as session:
        return len(session.scalars(select(Result.index)).all())


def _kept(home: Path) -> set[str]:
    return {path.name for path in (home / "data" / "files").rglob("file_*")}
