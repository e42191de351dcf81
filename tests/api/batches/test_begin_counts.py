"""The requests of a batch count once, however often it takes to begin it."""

from __future__ import annotations

import json
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


def test_what_could_not_be_begun_is_counted_when_it_is(database: Database, tmp_path: Path) -> None:
    door: FrontDoor = create_app(Settings(home=tmp_path), database).state.door
    asked = [json.dumps(chat(str(number))) for number in range(17)]
    stored = door.store.store(BytesIO("\n".join([*asked, "no JSON"]).encode()), NO_LIMIT)
    with door.write() as session:
        catalog.add_builtin(session)
        key = keys.create(session, "ci", "submit", limits={"requests/day": 20})[0]
        files.add(session, stored, name="in.jsonl", purpose="batch", content_type="application/jsonl", owner=key.id)
        row = rows.add(session, "openai", CHAT, stored.id, owner=key.id, window="1d", seconds=86400.0, details={})
        session.execute(text("CREATE UNIQUE INDEX odd ON jobs (priority)"))
    for _ in range(2):
        with pytest.raises(IntegrityError):
            begin(door, row)
    with door.write() as session:
        session.execute(text("DROP INDEX odd"))
    begin(door, row)
    with door.read() as session:
        begun = session.get_one(Batch, row.id)
        assert begun.in_progress_at is not None, begun.errors
        account = quota_book.opened(session, key.id, "", {"requests/day": 20}, clock_time(session))
    assert account.used["requests/day"][1] == 17
