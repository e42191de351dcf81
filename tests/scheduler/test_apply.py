"""From a plan to rows and hints, on both databases: what no longer holds is left alone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select, update

from scheduler.apply import apply
from scheduler.decisions import MEMORY_GUARD, Assign, Plan, Preempt, Reserve, Stop
from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from shared.broker.messages import Hint
from shared.db import Database, clock_time
from shared.errors import NotFound, StaleTransition
from shared.jobs import state as jobs
from shared.jobs.reserve import release_stale
from shared.jobs.state import Timers
from shared.leader import Fence
from shared.protocol import AttemptRef, RunRef
from shared.tables import Attempt, Host, Job, Queue, Run
from shared.units import GIB
from shared.vocabulary import JobState, RunState
from tests.scheduler.rows import add_host, add_jobs, add_model, add_run, lead, states

_NOTHING = Plan((), (), (), (), {}, {}, {})


def decide(database: Database) -> Plan:
    with database.read() as session:
        return plan(Reader().read(session, whole=True))


def carry_out(database: Database, fence: Fence, decided: Plan) -> dict[str, list[Hint]]:
    with database.write() as session:
        return dict(apply(session, fence, decided, Timers()))


def test_a_job_on_a_ready_run_is_assigned_and_its_hint_goes_to_the_lane(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        [job_id] = add_jobs(session)
    fence = lead(database)
    assert carry_out(database, fence, decide(database)) == {"studio.llama-cpp": [AttemptRef(job_id=job_id, attempt=1)]}
    with database.read() as session:
        assert states(session) == {job_id: JobState.ASSIGNED}
        attempt = session.scalars(select(Attempt)).one()
    assert (attempt.run_id, attempt.slots, attempt.epoch) == ("run", 1, fence.epoch)


def test_a_job_without_a_run_gets_one_that_holds_its_memory(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_jobs(session, spec={"context": 2048, "keep_alive": 60.0}, rank=1)
    messages = carry_out(database, lead(database), decide(database))
    with database.read() as session:
        run = session.scalars(select(Run)).one()
    assert messages == {"studio.llama-cpp": [RunRef(run_id=run.id, generation=1)]}
    assert (run.state, run.host, run.context, run.slots) == (RunState.PENDING, "studio", 2048, 4)
    assert (run.priority, run.keep_alive) == ("high", 60.0)
    assert run.memory_held == run.memory_need == sum(run.memory_parts.values())
    assert not decide(database).starts


def test_an_idle_run_that_is_in_the_way_is_stopped_first(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 10, "studio")
        add_run(session, "idle", "other", memory_held=12 * GIB, last_used_at=clock_time(session) - 60)
        add_jobs(session)
    fence = lead(database)
    messages = carry_out(database, fence, decide(database))
    assert messages == {"studio.llama-cpp": [RunRef(run_id="idle", generation=1)]}
    assert not decide(database).acts, "its memory is not free yet"
    with database.write() as session:
        session.execute(update(Run).values(state=RunState.STOPPED, memory_held=0))
    assert len(decide(database).starts) == 1


def test_a_run_that_became_busy_since_is_not_stopped(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        add_jobs(session)
    fence = lead(database)
    carry_out(database, fence, decide(database))
    assert carry_out(database, fence, replace(_NOTHING, stops=(Stop("run", "makes room"),))) == {}
    with database.read() as session:
        assert session.get_one(Run, "run").state == RunState.READY


def test_a_job_cancelled_since_is_not_assigned(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        [job_id] = add_jobs(session)
    decided = decide(database)
    with database.write() as session:
        jobs.cancel(session, job_id)
    assert carry_out(database, lead(database), decided) == {}


def test_a_budget_that_shrank_since_is_not_overdrawn(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_jobs(session)
    decided = decide(database)
    with database.write() as session:
        session.execute(update(Host).values(budget=1 * GIB))
    assert carry_out(database, lead(database), decided) == {}
    with database.read() as session:
        assert session.scalars(select(Run.memory_held)).all() == [0]


def test_a_stale_leader_changes_nothing(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        [job_id] = add_jobs(session)
    decided = decide(database)
    stale = lead(database, "first", seconds=-1.0)
    current = lead(database, "second")
    with pytest.raises(StaleTransition):
        carry_out(database, stale, decided)
    with database.read() as session:
        assert states(session) == {job_id: JobState.QUEUED}
    assert carry_out(database, current, decided)


def test_jobs_that_cannot_be_helped_fail_with_the_cause(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        [job_id] = add_jobs(session)
    decided = decide(database)
    assert decided.failures
    carry_out(database, lead(database), decided)
    with database.read() as session:
        job = session.get_one(Job, job_id)
    assert job.state == JobState.FAILED
    assert (job.error or {})["code"] == NotFound.code


def test_an_exclusive_job_gets_its_host_after_those_that_were_before_it(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        [first] = add_jobs(session)
        [bench] = add_jobs(session, model_id=None, exclusive=True, acquires=[["qwen", None]])
    fence = lead(database)
    decided = decide(database)
    assert decided.reserves == (Reserve("studio", bench),)
    carry_out(database, fence, decided)
    with database.read() as session:
        assert states(session) == {first: JobState.ASSIGNED, bench: JobState.QUEUED}
        assert session.get_one(Host, "studio").reserved_by == bench


def test_a_reserved_host_is_assigned_to_its_job_alone(database: Database) -> None:
    with database.write() as session:
        add_host(session, reserved_by="another")
        add_run(session)
        [job_id] = add_jobs(session)
    assert (
        carry_out(
            database, lead(database), replace(_NOTHING, assigns=(Assign(job_id, "studio", "llama-cpp", "run", 1),))
        )
        == {}
    )


def test_a_host_is_given_back_when_its_job_is_over_or_the_host_went_away(database: Database) -> None:
    with database.write() as session:
        [waits, over] = add_jobs(session, 2, exclusive=True)
        add_host(session, "kept", reserved_by=waits)
        add_host(session, "silent", seen_for=-1.0, reserved_by=waits)
        add_host(session, "over", reserved_by=over)
        add_host(session, "pruned", reserved_by="gone")
        session.execute(update(Job).where(Job.id == over).values(state=JobState.SUCCEEDED))
    fence = lead(database)
    with database.write() as session:
        assert sorted(release_stale(session, fence)) == ["over", "pruned", "silent"]


def test_an_attempt_is_asked_to_give_way_and_the_shares_are_kept(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session, slots=1)
        [batch] = add_jobs(session, rank=4, preemptible=True)
    fence = lead(database)
    carry_out(database, fence, decide(database))
    with database.write() as session:
        jobs.claim(session, "studio", "worker", [AttemptRef(job_id=batch, attempt=1)], 60.0)
    wanted = replace(_NOTHING, preempts=(Preempt(batch, 1, "room"),), passes={"key:": 2.0})
    carry_out(database, fence, wanted)
    with database.read() as session:
        assert jobs.preempting(session, "studio") == [AttemptRef(job_id=batch, attempt=1)]
        assert session.get_one(Queue, "key:").stride_pass == 2.0


def test_only_the_memory_guard_stops_a_busy_run(database: Database) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session)
        [job_id] = add_jobs(session)
    fence = lead(database)
    carry_out(database, fence, decide(database))
    assert carry_out(database, fence, replace(_NOTHING, stops=(Stop("run", "makes room"),))) == {}
    hints = carry_out(database, fence, replace(_NOTHING, stops=(Stop("run", MEMORY_GUARD),)))
    assert hints == {"studio.llama-cpp": [RunRef(run_id="run", generation=1)]}
    with database.read() as session:
        job = session.get_one(Job, job_id)
        assert session.get_one(Run, "run").state == RunState.STOPPING
    assert (job.state, job.preemptions, job.crashes) == (JobState.QUEUED, 1, 0)
