"""What a look at all batches finds, and what it costs."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import event, text, update

from api.batches import rows
from api.batches.begin import begin
from api.batches.keeper import Keeper
from api.deps import FrontDoor
from shared.db import Database
from shared.tables import Batch, Job
from shared.vocabulary import JobState
from tests.api.batches.test_begin import batch_of, opened


@pytest.fixture
def door(database: Database, tmp_path: Path) -> FrontDoor:
    return opened(database, tmp_path)


def test_a_look_asks_as_much_however_many_batches_there_are(door: FrontDoor) -> None:
    asked: list[str] = []
    event.listen(door.database.engine, "before_cursor_execute", lambda *args: asked.append(args[2]))
    costs = []
    for _ in range(3):
        _begun(door)
        asked.clear()
        assert Keeper(door).turn() == []
        costs.append(len(asked))
    assert costs == costs[:1] * 3


def test_a_batch_is_ready_once_its_last_job_is_over(door: FrontDoor) -> None:
    _begun(door)
    row = _begun(door)
    for job, ready in zip([part.job for part in rows.parts_of(row)], ([], [row.id]), strict=True):
        with door.write() as session:
            session.execute(update(Job).where(Job.id == job).values(state=JobState.SUCCEEDED))
        assert [each.id for each in Keeper(door).turn()] == ready


def test_what_the_database_refuses_of_one_batch_holds_up_no_other(door: FrontDoor) -> None:
    waiting = batch_of(door)
    ended = [_begun(door), _begun(door)]
    with door.write() as session:
        session.execute(update(Job).values(state=JobState.SUCCEEDED))
        session.execute(text("CREATE UNIQUE INDEX odd ON batches (state) WHERE state = 'finalizing'"))
    try:
        assert [each.id for each in Keeper(door).turn()] == [waiting.id, ended[0].id]
    finally:
        # The next test has the same tables.
        with door.write() as session:
            session.execute(text("DROP INDEX odd"))


def _begun(door: FrontDoor) -> Batch:
    """A batch of two jobs."""
    row = batch_of(door)
    begin(door, row)
    with door.read() as session:
        return session.get_one(Batch, row.id)
