"""Waiting work is told why it waits, on both databases."""

from __future__ import annotations

from sqlalchemy import select, update

from scheduler.decisions import Plan
from scheduler.explain import Explainer
from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from shared.db import Database, clock_time
from shared.tables import Job, Run
from tests.scheduler.rows import add_host, add_jobs, add_model, add_run, lead

NOTHING = Plan((), (), (), (), {}, {}, {})


def explained(database: Database) -> dict[str, str | None]:
    """The code that each job was told."""
    with database.read() as session:
        rows = session.execute(select(Job.id, Job.blocked_by)).all()
    return {job_id: reason["code"] if reason else None for job_id, reason in rows}


def test_every_waiting_job_is_told_why_with_numbers(database: Database) -> None:
    with database.write() as session:
        add_host(session, "studio", 2)
        add_model(session, "qwen", 4, "studio")
        [job_id] = add_jobs(session)
        add_run(session, "asked", host=None)
    fence = lead(database)
    with database.read() as session:
        decided = plan(Reader().read(session, whole=True))
    Explainer(database).explain(fence, decided, None)
    with database.read() as session:
        reason = session.get_one(Job, job_id).blocked_by or {}
        run_reason = session.get_one(Run, "asked").blocked_by or {}
    assert reason["sentence"] == "studio holds 2.0 GiB at most, qwen needs 4.2 GiB"
    assert reason["hosts"][0]["host"] == "studio"
    assert run_reason["code"] == reason["code"] == "host_too_small"


def test_jobs_that_no_plan_has_looked_at_are_told_so(database: Database) -> None:
    with database.write() as session:
        first, behind, later = add_jobs(session, 3)
        session.execute(update(Job).where(Job.id == later).values(not_before=clock_time(session) + 60))
        queued_at = session.get_one(Job, first).queued_at
    Explainer(database).explain(lead(database), NOTHING, (2, queued_at, first))
    assert explained(database) == {first: None, behind: "order", later: "not_before"}


def test_a_reason_is_written_again_only_when_it_changed(database: Database) -> None:
    with database.write() as session:
        add_model(session, "qwen")
        [job_id] = add_jobs(session)
    fence, explainer, reader = lead(database), Explainer(database), Reader()

    def explain() -> None:
        with database.read() as session:
            decided = plan(reader.read(session, whole=True))
        explainer.explain(fence, decided, None)

    explain()
    assert explained(database) == {job_id: "no_host"}
    with database.write() as session:
        session.execute(update(Job).values(blocked_by=None))
    explain()
    assert explained(database) == {job_id: None}
    explainer.forget([job_id])
    explain()
    assert explained(database) == {job_id: "no_host"}
