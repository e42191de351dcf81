"""What is over for longer than the retention is forgotten; on both databases."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from sqlalchemy import func, insert, select, update

from scheduler.prune import Pruner
from shared import files
from shared.db import Database, clock_time
from shared.files import FileStore
from shared.tables import Attempt, Base, Batch, Event, File, Job, Result, Run
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


def test_a_job_of_many_pieces_goes_a_few_thousand_at_a_time(database: Database, tmp_path: Path) -> None:
    [large, _] = [finished(database, age * DAY) for age in (32, 31)]
    with database.write() as session:
        piece = {"job_id": large, "attempt": 1, "data": {}, "created_at": 0.0}
        session.execute(insert(Result), [{**piece, "index": index} for index in range(1, 2500)])
    fence, pruner = lead(database), Pruner(database, FileStore(str(tmp_path)), 30 * DAY)
    assert pruner.prune(fence)
    assert (count(database, Job), count(database, Attempt), count(database, Result)) == (2, 2, 501)
    assert not pruner.prune(fence)
    assert (count(database, Job), count(database, Attempt), count(database, Result)) == (0, 0, 0)


def expired(database: Database, store: FileStore) -> str:
    """A file whose time is over."""
    stored = store.store(BytesIO(b"words"), Bytes(10))
    with database.write() as session:
        files.add(session, stored, name="a.txt", purpose="batch", content_type="text/plain", keep=-1.0)
    return stored.id


def test_files_that_have_expired_go_with_their_bytes(database: Database, tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    expired(database, store)
    stored = store.store(BytesIO(b"words"), Bytes(10))
    with database.write() as session:
        files.add(session, stored, name="b.txt", purpose="batch", content_type="text/plain", keep=3600.0)
    assert not Pruner(database, store, 30 * DAY).prune(lead(database))
    with database.read() as session:
        assert list(session.scalars(select(File.id))) == [stored.id]
    assert {path.name for path in tmp_path.rglob("file_*")} == {stored.id}


def test_what_an_old_job_made_stays_while_another_works_through_it(database: Database, tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    old, stored = finished(database, 31 * DAY), store.store(BytesIO(b"words"), Bytes(10))
    with database.write() as session:
        files.add(session, stored, name="a.txt", purpose="output", content_type="text/plain", job_id=old)
        [reader] = add_jobs(session)
        work = {"kind": "transcription", "params": {"file": stored.id}}
        session.execute(update(Job).where(Job.id == reader).values(work))
    fence, pruner = lead(database), Pruner(database, store, 30 * DAY)
    pruner.prune(fence)
    assert (count(database, Job), count(database, File)) == (1, 1)
    with database.write() as session:
        session.execute(update(Job).values(state=JobState.CANCELLED))
    pruner.prune(fence)
    assert count(database, File) == 0
    assert list(tmp_path.rglob("file_*")) == []


def test_files_stay_while_a_batch_or_a_job_works_through_them(database: Database, tmp_path: Path) -> None:
    store = FileStore(str(tmp_path))
    of_batch, of_job, of_jobs = (expired(database, store) for _ in range(3))
    moments = {"created_at": 0.0, "expires_at": 0.0}
    with database.write() as session:
        session.add(Batch(
            id="batch_a", dialect="openai", endpoint="/v1/embeddings", state="in_progress",
            completion_window="24h", input_file=of_batch, **moments,
        ))  # fmt: skip
        jobs = add_jobs(session, count=2)
        works = (
            {"kind": "transcription", "params": {"file": of_job}},
            {"kind": "transcriptions", "params": {"files": [of_jobs]}},
        )
        for job_id, work in zip(jobs, works, strict=True):
            session.execute(update(Job).where(Job.id == job_id).values(work))
    fence, pruner = lead(database), Pruner(database, store, 30 * DAY)
    pruner.prune(fence)
    assert count(database, File) == 3
    with database.write() as session:
        session.execute(update(Batch).values(state="completed"))
        session.execute(update(Job).values(state=JobState.CANCELLED))
    pruner.prune(fence)
    assert count(database, File) == 0


def test_jobs_stay_until_the_answers_of_their_batch_are_written(database: Database, tmp_path: Path) -> None:
    old = finished(database, 31 * DAY)
    with database.write() as session:
        session.add(Batch(
            id="batch_a", dialect="openai", endpoint="/v1/embeddings", state="in_progress", completion_window="60d",
            input_file="file_a", parts=[{"job": old, "file": "file_b", "model": "m", "lines": 1}],
            created_at=clock_time(session) - 32 * DAY, expires_at=0.0,
        ))  # fmt: skip
    fence, pruner = lead(database), Pruner(database, FileStore(str(tmp_path)), 30 * DAY)
    pruner.prune(fence)
    assert (count(database, Job), count(database, Result)) == (1, 1)
    with database.write() as session:
        session.execute(update(Batch).values(state="completed"))
    pruner.prune(fence)
    assert count(database, Job) == 0


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
