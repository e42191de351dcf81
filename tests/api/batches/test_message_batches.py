"""Message batches that cannot be made leave nothing behind."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import select, text

from shared.tables import File
from tests.api.conftest import Opener
from tests.api.served import Served

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


def _kept(home: Path) -> set[str]:
    return {path.name for path in (home / "data" / "files").rglob("file_*")}
