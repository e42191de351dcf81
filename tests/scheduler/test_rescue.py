"""What nobody reports is given up, what got lost is sent again; on both databases."""

from __future__ import annotations

from sqlalchemy import update

from scheduler.apply import Messages, apply
from scheduler.patience import Patience
from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from scheduler.rescue import heal
from shared.db import Database, clock_time
from shared.jobs.state import Timers
from shared.leader import Fence
from shared.protocol import AttemptRef
from shared.tables import Attempt, Host, Job
from shared.vocabulary import AttemptState, JobState
from tests.scheduler.rows import add_host, add_jobs, add_model, add_run, lead, states


def assigned(database: Database) -> tuple[Fence, str]:
    """A leader, and a job that it has assigned."""
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        [job_id] = add_jobs(session)
    fence = lead(database)
    with database.read() as session:
        decided = plan(Reader().read(session, whole=True))
    with database.write() as session:
        apply(session, fence, decided, Timers())
    return fence, job_id


def running(database: Database, lease: float) -> tuple[Fence, str]:
    """The same, running with that many seconds of lease left."""
    fence, job_id = assigned(database)
    with database.write() as session:
        until = clock_time(session) + lease
        session.execute(update(Attempt).values(state=AttemptState.RUNNING, lease_until=until, worker="w"))
        session.execute(update(Job).values(state=JobState.RUNNING))
    return fence, job_id


def healed(database: Database, fence: Fence, patience: Patience) -> Messages:
    with database.write() as session:
        return heal(session, fence, patience, max_crashes=3)


def state(database: Database, job_id: str) -> JobState:
    with database.read() as session:
        return states(session)[job_id]


def test_a_job_whose_attempt_nobody_reports_waits_again(database: Database) -> None:
    fence, job_id = running(database, lease=-1.0)
    healed(database, fence, Patience(0.0))
    assert state(database, job_id) == JobState.QUEUED


def test_a_new_leader_gives_nothing_up_at_once(database: Database) -> None:
    fence, job_id = running(database, lease=-1.0)
    healed(database, fence, Patience(10.0))
    assert state(database, job_id) == JobState.RUNNING


def test_nothing_is_given_up_while_no_host_is_heard(database: Database) -> None:
    fence, job_id = running(database, lease=-1.0)
    with database.write() as session:
        session.execute(update(Host).values(seen_until=clock_time(session) - 1))
    healed(database, fence, Patience(0.2))
    assert state(database, job_id) == JobState.RUNNING


def test_a_lease_that_holds_is_left_alone(database: Database) -> None:
    fence, job_id = running(database, lease=60.0)
    healed(database, fence, Patience(0.0))
    assert state(database, job_id) == JobState.RUNNING


def test_a_hint_that_nobody_took_is_sent_again_when_it_is_due(database: Database) -> None:
    fence, job_id = assigned(database)
    assert healed(database, fence, Patience(10.0)) == {}
    with database.write() as session:
        session.execute(update(Attempt).values(publish_at=0.0))
    assert healed(database, fence, Patience(10.0)) == {"studio.llama-cpp": [AttemptRef(job_id=job_id, attempt=1)]}
    assert healed(database, fence, Patience(10.0)) == {}
