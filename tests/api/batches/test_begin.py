"""Beginning a batch, without a front door that is served."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from api.app import create_app
from api.batches import rows
from api.batches.begin import begin
from api.deps import FrontDoor
from shared import catalog, files, keys, quota_book
from shared.db import Database, clock_time
from shared.files import NO_LIMIT
from shared.settings import Settings
from shared.tables import Batch
from tests.e2e.batches import CHAT, chat


@pytest.fixture
def door(database: Database, tmp_path: Path) -> FrontDoor:
    made: FrontDoor = create_app(Settings(home=tmp_path), database).state.door
    with made.write() as session:
        catalog.add_builtin(session)
    return made


def test_what_was_split_is_forgotten_when_it_cannot_be_queued(door: FrontDoor, tmp_path: Path) -> None:
    row = _batch(door)
    with _refused(door), pytest.raises(IntegrityError):
        begin(door, row)
    assert [path.name for path in (tmp_path / "data" / "files").rglob("file_*")] == [row.input_file]


def test_what_could_not_be_begun_is_counted_once_when_it_is(door: FrontDoor) -> None:
    with door.write() as session:
        key = keys.create(session, "ci", "submit", limits={"requests/day": 20})[0].id
    row = _batch(door, key)
    with _refused(door):
        for _ in range(2):
            with pytest.raises(IntegrityError):
                begin(door, row)
    begin(door, row)
    with door.read() as session:
        begun = session.get_one(Batch, row.id)
        assert begun.in_progress_at is not None, begun.errors
        account = quota_book.opened(session, key, "", {"requests/day": 20}, clock_time(session))
    assert account.used["requests/day"][1] == 17


def _batch(door: FrontDoor, owner: str = "") -> Batch:
    """17 requests, which become two jobs, and a line that is none."""
    asked = [json.dumps(chat(str(number))) for number in range(17)]
    stored = door.store.store(BytesIO("\n".join([*asked, "no JSON"]).encode()), NO_LIMIT)
    with door.write() as session:
        files.add(session, stored, name="in.jsonl", purpose="batch", content_type="application/jsonl", owner=owner)
        return rows.add(session, "openai", CHAT, stored.id, owner=owner, window="1d", seconds=86400.0, details={})


@contextmanager
def _refused(door: FrontDoor) -> Iterator[None]:
    """Meanwhile the second of two jobs is refused that are as urgent as each other."""
    with door.write() as session:
        session.execute(text("CREATE UNIQUE INDEX odd ON jobs (priority)"))
    try:
        yield
    finally:
        # The next test has the same tables.
        with door.write() as session:
            session.execute(text("DROP INDEX odd"))
