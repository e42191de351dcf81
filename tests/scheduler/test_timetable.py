"""Schedules submit their jobs, each time once, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from scheduler.timetable import Timetable
from shared import schedules
from shared.db import Database, clock_time
from shared.leader import Fence
from shared.runtimes import RuntimeInfo
from shared.schedules import Wish
from shared.tables import Event, Job, Key, Model, Schedule
from shared.vocabulary import Capability, Format
from tests.scheduler.rows import add_host, add_model, lead

ECHO = RuntimeInfo(name="echo", version="1", formats=(Format.ECHO,), capabilities=(Capability.GENERATE,))
JOB = {"kind": "inference", "params": {"model": "echo", "prompt": "hello"}, "labels": {"team": "a"}, "deadline": "PT1H"}


@pytest.fixture
def timetable(database: Database) -> Iterator[Timetable]:
    with database.write() as session:
        add_host(session, "studio", 16, ECHO)
        add_model(session, "echo", packed="echo")
        session.add(Key(id="k1", name="ci", prefix="ck", digest="d", role="submit", created_at=0.0))
    opened = Timetable(database)
    yield opened
    opened.close()


@pytest.fixture
def fence(database: Database) -> Fence:
    return lead(database)


def add(database: Database, ago: float = 0.5, owner: str = "k1", **more: Any) -> Schedule:
    """A schedule for every minute whose next time was `ago` seconds ago."""
    with database.write() as session:
        wish = Wish(**{"name": "nightly", "cron": "* * * * *", "job": JOB, **more})
        row = schedules.add(session, wish, owner)
        row.next_at = clock_time(session) - ago
        session.flush()
        session.expunge(row)
    return row


def kept(database: Database) -> Schedule:
    with database.read() as session:
        return session.scalars(select(Schedule)).one()


def jobs(database: Database) -> list[Job]:
    with database.read() as session:
        return list(session.scalars(select(Job).order_by(Job.id)))


def test_a_due_schedule_submits_its_job_and_waits_for_the_next_time(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    row = add(database)
    assert timetable.fire(fence) == 1
    [job] = jobs(database)
    assert (job.schedule, job.owner, job.queue, job.labels) == (row.id, "k1", "key:k1", {"team": "a"})
    assert job.deadline == pytest.approx(job.created_at + 3600, abs=5)
    after = kept(database)
    assert (after.last_job, after.error) == (job.id, None)
    assert after.next_at is not None
    assert after.next_at > job.created_at
    assert timetable.fire(fence) == 0


def test_of_many_missed_times_one_is_made_up_for(database: Database, timetable: Timetable, fence: Fence) -> None:
    add(database, ago=86_400.0)
    assert timetable.fire(fence) == 1
    assert len(jobs(database)) == 1
    after = kept(database)
    with database.read() as session:
        assert clock_time(session) < (after.next_at or 0) <= clock_time(session) + 61


def test_a_time_that_another_scheduler_has_seen_to_is_not_doubled(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    row = add(database)
    timetable.fire(fence)
    with database.write() as session:
        session.execute(update(Schedule).values(next_at=row.next_at))
    timetable.fire(fence)
    assert len(jobs(database)) == 1


def test_a_paused_schedule_submits_nothing(database: Database, timetable: Timetable, fence: Fence) -> None:
    add(database, paused=True)
    assert timetable.fire(fence) == 0


def test_a_stale_leader_submits_nothing(database: Database, timetable: Timetable) -> None:
    stale = lead(database, "first", seconds=-1.0)
    lead(database, "second")
    add(database)
    assert timetable.fire(stale) == 0
    assert jobs(database) == []


def test_a_job_that_can_no_longer_run_is_told_and_the_next_time_waited_for(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    add(database)
    with database.write() as session:
        session.execute(update(Model).values(capabilities=["embed"]))
    assert timetable.fire(fence) == 0
    after = kept(database)
    assert (after.error or {})["code"] == "invalid_parameters"
    with database.read() as session:
        assert "schedule.failed" in session.scalars(select(Event.type)).all()
        assert (after.next_at or 0) > clock_time(session)


def test_a_schedule_of_a_revoked_key_submits_nothing_and_says_why(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    add(database)
    with database.write() as session:
        session.execute(update(Key).values(revoked_at=1.0))
    assert timetable.fire(fence) == 0
    assert (kept(database).error or {})["code"] == "forbidden"
    assert jobs(database) == []


def test_a_schedules_jobs_count_among_the_requests_of_its_key(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    for name in ("first", "second", "third"):
        add(database, name=name)
    with database.write() as session:
        session.execute(update(Key).values(limits={"requests/day": 2}))
    assert timetable.fire(fence) == 2
    assert len(jobs(database)) == 2
    assert timetable.fire(fence) == 0, "the third waits for what is left of another day"


def test_what_no_database_takes_is_told_of_its_schedule_and_stops_no_other(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    add(database, ago=0.9, name="odd", job=JOB | {"idempotency_key": "k", "labels": {"a": "x" * 300}, "queue_by": "a"})
    add(database, ago=0.8, name="huge", job=JOB | {"max_failures": 2**70})
    add(database)
    assert timetable.fire(fence) == 1
    with database.read() as session:
        told = {row.name: (row.error or {}).get("code") for row in session.scalars(select(Schedule))}
    assert told == {"odd": "invalid_parameters", "huge": "invalid_parameters", "nightly": None}
    assert timetable.fire(fence) == 0, "each waits for its next time"


def test_schedules_that_wait_for_their_quota_hold_up_no_others_and_say_why(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    with database.write() as session:
        session.execute(update(Key).values(limits={"requests/day": 1}))
        session.add(Key(id="k2", name="other", prefix="cl", digest="e", role="submit", created_at=0.0))
    for number in range(52):
        add(database, ago=5.0, name=f"greedy {number}", cron="0 0 1 1 *")
    innocent = add(database, owner="k2", name="innocent", cron="0 0 1 1 *")
    assert [timetable.fire(fence) for _ in range(3)] == [1, 1, 0]
    with database.read() as session:
        assert session.get_one(Schedule, innocent.id).last_job is not None
        told = [row.error for row in session.scalars(select(Schedule)) if row.error is not None]
    assert [error["code"] for error in told] == ["rate_limit_exceeded"] * 51


def test_a_clock_that_was_ahead_for_a_moment_stops_no_schedule(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    add(database)
    with database.write() as session:
        ahead = clock_time(session) + 86_400
        session.execute(update(Schedule).values(last_at=ahead, next_at=ahead + 60))
    timetable.fire(fence)
    with database.read() as session:
        assert clock_time(session) < (kept(database).next_at or 0) <= clock_time(session) + 61


def test_a_schedule_that_was_resumed_while_the_clock_was_ahead_fires_in_time(
    database: Database, timetable: Timetable, fence: Fence
) -> None:
    add(database)
    with database.write() as session:
        session.execute(update(Schedule).values(next_at=clock_time(session) + 3 * 86_400))
    timetable.fire(fence)
    with database.read() as session:
        assert clock_time(session) < (kept(database).next_at or 0) <= clock_time(session) + 61


def test_a_clock_that_goes_back_is_noticed_at_any_time(database: Database, timetable: Timetable, fence: Fence) -> None:
    timetable.fire(fence)
    add(database)
    with database.write() as session:
        session.execute(update(Schedule).values(next_at=clock_time(session) + 3 * 86_400))
    timetable.fire(fence)
    timetable._latest += 3 * 86_400
    timetable.fire(fence)
    with database.read() as session:
        assert (kept(database).next_at or 0) <= clock_time(session) + 61
