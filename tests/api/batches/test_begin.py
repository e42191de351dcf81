"""Beginning a batch, without a front door that is served."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import IntegrityError, OperationalError

from api.app import create_app
from api.batches import rows
from api.batches.begin import begin
from api.batches.collect import collect
from api.deps import FrontDoor
from api.events import Feed
from shared import catalog, files, keys, quota_book
from shared.db import Database, clock_time
from shared.files import NO_LIMIT
from shared.settings import Settings
from shared.tables import Batch, File
from tests.e2e.batches import CHAT, chat

#: 17 requests, which become two jobs, and a line that is none.
_ASKED = (*(chat(str(number)) for number in range(17)), "no request")


@pytest.fixture
def door(database: Database, tmp_path: Path) -> FrontDoor:
    return opened(database, tmp_path)


def test_what_was_split_is_forgotten_when_it_cannot_be_queued(door: FrontDoor, tmp_path: Path) -> None:
    row = batch_of(door)
    with _refused(door), pytest.raises(IntegrityError):
        begin(door, row)
    assert [path.name for path in (tmp_path / "data" / "files").rglob("file_*")] == [row.input_file]


@pytest.mark.parametrize("committed", [False, True])
def test_files_of_a_batch_stay_only_where_the_database_took_them(
    door: FrontDoor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: bool
) -> None:
    row = batch_of(door)
    for step, change in ((begin, "begin"), (collect, "finish")):
        with door.read() as session:
            before, row = set(session.scalars(select(File.id))), session.get_one(Batch, row.id)
        with monkeypatch.context() as patched:
            if committed:
                patched.setattr(Feed, "poke", _unanswered)
            else:
                patched.setattr(rows, change, _unanswered)
            with pytest.raises(OperationalError):
                step(door, row)
        with door.read() as session:
            known = set(session.scalars(select(File.id)))
        assert (known > before) == committed
        assert {path.name for path in (tmp_path / "data" / "files").rglob("file_*")} == known
        if not committed:
            step(door, row)
        with door.write() as session:
            rows.finalize(session, row)


def test_what_could_not_be_begun_is_counted_once_when_it_is(door: FrontDoor) -> None:
    with door.write() as session:
        key = keys.create(session, "ci", "submit", limits={"requests/day": 20})[0].id
    row = batch_of(door, key)
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


@pytest.mark.parametrize(
    ("lines", "limits", "told"),
    [
        (["a", "a"], {}, "duplicate_custom_id"),
        (["a", "a"], {"requests/hour": 1}, "rate_limit_exceeded"),
        (["a", "a", "a", "a"], {}, "invalid_parameters"),
    ],
)
def test_a_file_that_is_too_long_is_not_read_further(
    database: Database, tmp_path: Path, lines: list[str], limits: dict[str, int], told: str
) -> None:
    """Whoever reads its lines finds their ids wrong."""
    door = opened(database, tmp_path, batch_limit=3)
    with door.write() as session:
        key = keys.create(session, "ci", "submit", limits=limits)[0].id
    row = batch_of(door, key, [chat(each) for each in lines])
    begin(door, row)
    with door.read() as session:
        assert {each["code"] for each in session.get_one(Batch, row.id).errors} == {told}


def opened(database: Database, home: Path, **settings: Any) -> FrontDoor:
    made: FrontDoor = create_app(Settings(home=home, **settings), database).state.door
    with made.write() as session:
        catalog.add_builtin(session)
    return made


def batch_of(door: FrontDoor, owner: str = "", asked: Sequence[Any] = _ASKED) -> Batch:
    stored = door.store.store(BytesIO("\n".join(json.dumps(line) for line in asked).encode()), NO_LIMIT)
    with door.write() as session:
        files.add(session, stored, name="in.jsonl", purpose="batch", content_type="application/jsonl", owner=owner)
        return rows.add(session, "openai", CHAT, stored.id, owner=owner, window="1d", seconds=86400.0, details={})


def _unanswered(*_: Any) -> None:
    raise OperationalError("COMMIT", {}, Exception("the disk is full"))


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
