"""What message batches leave behind: nothing, when they cannot be made, and when they are removed."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import insert, select, text

from api.batches import rows
from shared.jobs import pieces
from shared.tables import File, Result
from tests.api.conftest import Opener
from tests.api.served import Served
from tests.waiting import eventually

_PATH = "/v1/messages/batches"


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
    with door.database.read() as session:
        known = set(session.scalars(select(File.id)))
    assert _kept(tmp_path) == known


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


def _answers(door: Served) -> int:
    with door.database.read() as session:
        return len(session.scalars(select(Result.index)).all())


def _kept(home: Path) -> set[str]:
    return {path.name for path in (home / "data" / "files").rglob("file_*")}
