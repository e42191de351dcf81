"""Large answers take long to write: meanwhile the database is not kept waiting."""

from __future__ import annotations

import json
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import QueuePool, insert, update

from api.app import create_app
from api.batches import rows
from api.batches.begin import begin
from api.batches.collect import collect, refuse
from api.deps import FrontDoor
from shared import catalog, files
from shared.db import Database
from shared.errors import InvalidParameters
from shared.files import NO_LIMIT, Sink
from shared.settings import Settings
from shared.tables import Batch, Job, Result
from shared.vocabulary import JobState

_EMBED = "/v1/embeddings"
#: Jobs of 30 lines each.
_LINES = 480


@pytest.fixture
def door(database: Database, tmp_path: Path) -> FrontDoor:
    made: FrontDoor = create_app(Settings(home=tmp_path), database).state.door
    with made.write() as session:
        catalog.add_builtin(session)
    return made


@pytest.fixture
def held(door: FrontDoor, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The connections in use at each line that was written; PostgreSQL ends one that waits too long in between."""
    pool = door.database.engine.pool
    assert isinstance(pool, QueuePool)
    seen: list[int] = []
    write = Sink.write

    def watched(sink: Sink, piece: bytes) -> None:
        seen.append(pool.checkedout())
        write(sink, piece)

    monkeypatch.setattr(Sink, "write", watched)
    return seen


def test_no_connection_is_held_while_answers_are_written(door: FrontDoor, held: list[int]) -> None:
    row = _read_again(door, _begun(door, [_line(number) for number in range(_LINES)] + ["no request"]))
    _answer(door, row)
    held.clear()
    collect(door, row)
    assert held == [0] * (_LINES + 1)
    ended = _read_again(door, row)
    assert (ended.state, ended.counts) == ("completed", {"completed": _LINES, "failed": 1})
    assert _ids(door, ended.output_file) == [f"c{number}" for number in range(_LINES)]


def test_no_connection_is_held_while_lines_are_refused(door: FrontDoor, held: list[int]) -> None:
    asked = [{"custom_id": f"c{number}", "params": {}} for number in range(3)]
    row = _added(door, "anthropic", "/v1/messages", asked)
    held.clear()
    refuse(door, row, InvalidParameters("No", "it may not be", "ask something else"))
    assert held == [0, 0, 0]
    assert _ids(door, _read_again(door, row).output_file) == ["c0", "c1", "c2"]


def _line(number: int) -> dict[str, Any]:
    return {"custom_id": f"c{number}", "method": "POST", "url": _EMBED, "body": {"model": "echo", "input": "hi"}}


def _added(door: FrontDoor, dialect: str, endpoint: str, asked: Sequence[Any]) -> Batch:
    stored = door.store.store(BytesIO("\n".join(map(json.dumps, asked)).encode()), NO_LIMIT)
    with door.write() as session:
        files.add(session, stored, name="in.jsonl", purpose="batch", content_type="application/jsonl")
        return rows.add(session, dialect, endpoint, stored.id, owner="", window="1d", seconds=86400.0, details={})


def _begun(door: FrontDoor, asked: Sequence[Any]) -> Batch:
    row = _added(door, "openai", _EMBED, asked)
    begin(door, row)
    return row


def _answer(door: FrontDoor, row: Batch) -> None:
    """What an engine said to each line, and the end of its jobs."""
    data = {"response": {"data": [{"index": 0, "embedding": [0.6, 0.8]}]}, "usage": {}, "seconds": 0.5}
    with door.write() as session:
        for part in rows.parts_of(row):
            kept = {"job_id": part.job, "attempt": 1, "data": data, "failed": False, "created_at": 1.0}
            session.execute(insert(Result), [{**kept, "index": index} for index in range(part.lines)])
            session.execute(update(Job).where(Job.id == part.job).values(state=JobState.SUCCEEDED))
        rows.finalize(session, row)


def _read_again(door: FrontDoor, row: Batch) -> Batch:
    with door.read() as session:
        return session.get_one(Batch, row.id)


def _ids(door: FrontDoor, file_id: str | None) -> list[str]:
    assert file_id is not None
    with door.read() as session:
        file = files.find(session, file_id)
    written = b"".join(door.store.pieces(file.id, 0, file.size))
    return [json.loads(line)["custom_id"] for line in written.splitlines()]
