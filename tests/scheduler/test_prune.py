"""What is over for longer than the retention is forgotten; on both databases."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from sqlalchemy import func, insert, select, update

from scheduler.prune import Pruner
from shared import files
from shared.db import Database, clock_time
from shared.files import FileStore
from shared.tables import Attempt, Base, Event, File, Job, Result, Run
from shared.units import Bytes
from shared.vocabulary import AttemptState, JobState, RunState
from tests.scheduler.rows import add_jobs, add_run, lead

DAY = 86400.0
_OLD = {"number": 1, "host": "studio", "runtime": "echo", "epoch": 1, "assigned_at": 0.0}


def count(database: Database, table: type[Base]) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def finished(database: Database, age: float) -> str:
    """A job that ended `age` seconds ago, with an attempt and a result."""
    with database.write() as session:
        [job_id] = add_jobs(session)
        ended = clock_time(session) - age
        session.execute(update(Job).where(Job.id == job_id).values(state=JobState.SUCCEEDED, finished_at=ended))
        session.execute(insert(Attempt), [{"job_id": job_id, "state": AttemptState.SUCCEEDED, **_OLD}])
        session.execute(insert(Result), [{"job_id": job_id, "index": 0, "attempt": 1, "data": {}, "created_at": ended}])
    return job_id


def test_old_jobs_go_with_all_that_belongs_to_them(database: Database, tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    old, young = finished(database, 31 * DAY), finished(database, 29 * DAY)
    with database.write() as session:
        [waiting] = add_jobs(session)
    for job_id in (old, young, None):
        stored = store.store(BytesIO(b"words"), Bytes(10))
        with database.write() as session:
            files.add(session, stored, name="a.txt", purpose="output", content_type="text/plain", job_id=job_id)
    assert not Pruner(database, store, 30 * DAY).prune(lead(database))
    with database.read() as session:
        assert set(session.scalars(select(Job.id))) == {young, waiting}
        assert set(session.scalars(select(File.job_id))) == {young, None}
        kept = set(session.scalars(select(File.id)))
    assert (count(database, Attempt), count(database, Result)) == (1, 1)
    assert {path.name for path in tmp_path.rglob("file_*")} == kept


def test_old_runs_go_unless_they_hold_memory(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        add_run(session, "over", state=RunState.STOPPED, memory_held=0, ended_at=1.0)
        add_run(session, "lost", state=RunState.FAILED, ended_at=1.0)
        add_run(session, "ready")
    Pruner(database, FileStore(str(tmp_path)), DAY).prune(lead(database))
    with database.read() as session:
        assert set(session.scalars(select(Run.id))) == {"lost", "ready"}


def test_old_events_go_a_few_hundred_at_a_time(database: Database, tmp_path: Path) -> None:
    with database.write() as session:
        session.execute(insert(Event), [{"at": 1.0, "type": "job.queued", "data": {}} for _ in range(600)])
        session.execute(insert(Event), [{"at": clock_time(session), "type": "job.queued", "data": {}}])
    fence, pruner = lead(database), Pruner(database, FileStore(str(tmp_path)), DAY)
    assert pruner.prune(fence)
    assert count(database, Event) == 101
    assert not pruner.prune(fence)
    assert count(database, Event) == 1
