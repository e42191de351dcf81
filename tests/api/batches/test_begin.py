"""Beginning a batch, without a front door that is served."""

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
from shared import catalog, files
from shared.db import Database
from shared.files import NO_LIMIT
from shared.settings import Settings
from tests.e2e.batches import CHAT, chat


def test_what_was_split_is_forgotten_when_it_cannot_be_queued(database: Database, tmp_path: Path) -> None:
    door: FrontDoor = create_app(Settings(home=tmp_path), database).state.door
    asked = [json.dumps(chat(str(number))) for number in range(17)]
    stored = door.store.store(BytesIO("\n".join([*asked, "no JSON"]).encode()), NO_LIMIT)
    with door.write() as session:
        catalog.add_builtin(session)
        files.add(session, stored, name="in.jsonl", purpose="batch", content_type="application/jsonl")
        row = rows.add(session, "openai", CHAT, stored.id, owner="", window="1d", seconds=86400.0, details={})
        # Its two jobs are as urgent as each other, so the second is refused.
        session.execute(text("CREATE UNIQUE INDEX odd ON jobs (priority)"))
    try:
        with pytest.raises(IntegrityError):
            begin(door, row)
    finally:
        # The next test has the same tables.
        with door.write() as session:
            session.execute(text("DROP INDEX odd"))
    assert [path.name for path in (tmp_path / "data" / "files").rglob("file_*")] == [stored.id]
