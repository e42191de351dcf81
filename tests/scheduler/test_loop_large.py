"""A scheduler of a fleet that is too large to be planned whole after each event: one event after another, by rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from scheduler.decisions import NewRun, Plan
from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from shared.broker import Wake
from shared.db import Database
from shared.jobs import state as jobs
from shared.tables import Attempt, Run
from shared.vocabulary import AttemptState
from tests.scheduler.rows import add_host, add_jobs, add_model, add_run
from tests.scheduler.test_loop import leader, scheduling, settings_for
from tests.waiting import eventually

HOSTS = [f"mac-{number:02}" for number in range(70)]
#: What lives somewhere, and where: attempts on runs, and models that runs were started for.
Placed = tuple[set[tuple[str, str | None]], list[tuple[str | None, str]]]


@pytest.fixture
def wake(tmp_path: Path, database: Database, valkey: str) -> Iterator[Wake]:
    """The bell of a scheduler that plans whole once, when it begins, and looks at no more than it is rung for."""
    fleet(database)
    with scheduling(settings_for(tmp_path, database, valkey, tick_seconds=300.0)):
        wake = Wake(valkey)
        eventually(lambda: leader(database) is not None)
        eventually(lambda: not wanted(database).acts)
        yield wake
    wake.close()


def fleet(database: Database) -> None:
    """Each host runs `qwen` in two slots, for which nine jobs too many wait; some have `phi` on disk, too."""
    with database.write() as session:
        for name in HOSTS:
            add_host(session, name)
            add_run(session, f"run-{name}", host=name, slots=2)
        add_model(session, "qwen", 4, *HOSTS)
        add_model(session, "phi", 2, *HOSTS[::7])
        add_jobs(session, 2 * len(HOSTS) + 9)


def wanted(database: Database) -> Plan:
    """What a whole plan would decide, by somebody who remembers nothing."""
    with database.read() as session:
        return plan(Reader().read(session, whole=True))


def placed(session: Session) -> Placed:
    live = select(Attempt.job_id, Attempt.run_id).where(Attempt.state == AttemptState.ASSIGNED)
    attempts = {(job_id, run_id) for job_id, run_id in session.execute(live)}
    runs = session.execute(select(Run.host, Run.model).where(Run.host.is_not(None)))
    return attempts, sorted((host, model) for host, model in runs)


def settles(database: Database, wake: Wake) -> Plan:
    """Ring, and wait until all that a whole plan would do was done, and nothing else."""
    with database.read() as session:
        attempts, runs = placed(session)
        decided = plan(Reader().read(session, whole=True))
    attempts |= {(each.job_id, each.run_id) for each in decided.assigns}
    started = [(each.host, each.run.model) for each in decided.starts if isinstance(each.run, NewRun)]
    given = [(each.host, "phi") for each in decided.starts if isinstance(each.run, str)]

    def done() -> bool:
        with database.read() as session:
            return placed(session) == (attempts, sorted([*runs, *started, *given]))

    wake.ring()
    eventually(done)
    return decided


def end(database: Database, count: int = 1) -> None:
    """As many attempts end, the first by id."""
    with database.write() as session:
        some = select(Attempt.job_id).where(Attempt.state == AttemptState.ASSIGNED).order_by(Attempt.job_id)
        for job_id in session.scalars(some.limit(count)).all():
            jobs.cancel(session, job_id)


def test_events_that_come_one_by_one_end_as_whole_plans_would(database: Database, wake: Wake) -> None:
    for _ in range(3):
        end(database)
        assert len(settles(database, wake).assigns) == 1
    with database.write() as session:
        add_jobs(session, 1, model_id="phi", model="phi")
    assert [start.host in HOSTS[::7] for start in settles(database, wake).starts] == [True]
    with database.write() as session:
        add_run(session, "wish", "phi", None)
    assert [start.run for start in settles(database, wake).starts] == ["wish"]
    end(database, 5)
    settles(database, wake)
    with database.write() as session:
        add_jobs(session, 3, rank=1)
    end(database, 2)
    assert len(settles(database, wake).assigns) == 2
