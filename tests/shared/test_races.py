"""Real threads on a real database: of many that want the same, one gets it."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

import pytest
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared import hosts, schedules
from shared.db import Database
from shared.errors import Conflict, StaleTransition
from shared.invariants import broken
from shared.jobs import state as jobs
from shared.jobs.state import Placement, Timers
from shared.leader import Fence, lead
from shared.protocol import AttemptRef, AttemptStatus, FinishedAttempt, Item, Outcome, RunRef, Verdict
from shared.runs import state as runs
from shared.runs.state import RunPlacement
from shared.schedules import Wish
from shared.tables import Event, Host, Job, Run
from shared.token_digest import digest

T = TypeVar("T")

TIMERS = Timers(lease=60.0, claim=60.0)
THREADS = 8


@pytest.fixture
def fence(database: Database) -> Iterator[Fence]:
    """The lead, a host with a budget of 100 and jobs that wait; at the end nothing is broken."""
    with database.write() as session:
        session.add(Host(name="studio", token_digest="t", budget=100, created_at=0.0))
        rows = [{"id": f"job-{n:02}", "kind": "inference", "params": {}, "capability": "generate"} for n in range(40)]
        jobs.submit(session, rows)
        held = lead(session, "scheduler", 600.0)
    assert held is not None
    yield held
    with database.read() as session:
        assert broken(session) == []


def together(database: Database, work: Callable[[Session, int], T]) -> list[T | Exception]:
    """Each thread once, in a transaction of its own, all begun at the same moment."""
    barrier = threading.Barrier(THREADS)

    def one(number: int) -> T | Exception:
        barrier.wait()
        try:
            with database.write() as session:
                return work(session, number)
        except (StaleTransition, Conflict) as refusal:
            return refusal

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(one, range(THREADS)))


def do(database: Database, work: Callable[..., T], *args: object) -> T:
    with database.write() as session:
        return work(session, *args)


def running(database: Database, fence: Fence, *ids: str) -> None:
    do(database, jobs.assign, fence, [Placement(i, "studio", "echo", None, 1) for i in ids], TIMERS)
    do(database, jobs.claim, "studio", "worker", [AttemptRef(job_id=i, attempt=1) for i in ids], 60.0)


def test_of_eight_workers_that_claim_an_attempt_one_wins(database: Database, fence: Fence) -> None:
    do(database, jobs.assign, fence, [Placement("job-00", "studio", "echo", None, 1)], TIMERS)
    ref = AttemptRef(job_id="job-00", attempt=1)
    won = together(database, lambda session, n: len(jobs.claim(session, "studio", f"worker-{n}", [ref], 60.0)))
    assert sorted(won, key=str) == [0] * (THREADS - 1) + [1]


def test_of_batches_that_overlap_every_attempt_is_won_once(database: Database, fence: Fence) -> None:
    ids = [f"job-{n:02}" for n in range(40)]
    do(database, jobs.assign, fence, [Placement(i, "studio", "echo", None, 1) for i in ids], TIMERS)

    def claim(session: Session, number: int) -> list[str]:
        mine = random.Random(number).sample(ids, 30)
        refs = [AttemptRef(job_id=i, attempt=1) for i in mine]
        return [a.job_id for a in jobs.claim(session, "studio", f"worker-{number}", refs, 60.0)]

    won = [job_id for batch in together(database, claim) for job_id in batch]  # type: ignore[union-attr]
    assert len(won) == len(set(won))


def test_of_eight_steps_with_the_same_plan_one_assigns(database: Database, fence: Fence) -> None:
    plan = [Placement(f"job-{n:02}", "studio", "echo", None, 1) for n in range(20)]
    given = together(database, lambda session, _: len(jobs.assign(session, fence, plan, TIMERS)))
    assert sorted(given, key=str) == [0] * (THREADS - 1) + [20]


def test_two_schedulers_never_give_away_more_memory_than_there_is(database: Database, fence: Fence) -> None:
    """The budget is read again inside the transaction: a plan made before the other one's is not enough."""
    ids = [f"run-{n}" for n in range(THREADS)]
    rows = [{"id": i, "model_id": "m", "model": "m", "capability": "generate"} for i in ids]
    do(database, runs.create, rows)

    def place(session: Session, number: int) -> int:
        plan = [RunPlacement(ids[number], "studio", "echo", 1, 1, 30, {})]
        return len(runs.place(session, fence, plan, TIMERS))

    assert sorted(together(database, place), key=str) == [0] * (THREADS - 3) + [1] * 3
    with database.read() as session:
        assert session.scalar(select(func.sum(Run.memory_held))) == 90


def test_one_worker_of_eight_is_told_to_start_a_run(database: Database, fence: Fence) -> None:
    do(database, runs.create, [{"id": "run", "model_id": "m", "model": "m", "capability": "generate"}])
    do(database, runs.place, fence, [RunPlacement("run", "studio", "echo", 1, 1, 30, {})], TIMERS)
    ref = RunRef(run_id="run", generation=1)
    told = together(database, lambda session, n: runs.tend(session, "studio", f"worker-{n}", ref, 60.0)[0])
    assert sorted(told, key=str) == ["nothing"] * (THREADS - 1) + ["start"]


def test_a_result_said_eight_times_at_once_is_accepted_once(database: Database, fence: Fence) -> None:
    running(database, fence, "job-00")
    report = FinishedAttempt(job_id="job-00", attempt=1, outcome=Outcome.SUCCEEDED, result={})
    verdicts = together(database, lambda session, _: jobs.finish(session, "studio", "worker", [report], 3)[0])
    assert sorted(verdicts, key=str) == [Verdict.ACCEPTED] + [Verdict.DUPLICATE] * (THREADS - 1)


def test_a_cancel_and_a_success_at_once_leave_one_of_them(database: Database, fence: Fence) -> None:
    ids = [f"job-{n:02}" for n in range(12)]
    running(database, fence, *ids)
    for job_id in ids:
        report = FinishedAttempt(job_id=job_id, attempt=1, outcome=Outcome.SUCCEEDED, result={})

        def clash(session: Session, number: int, job_id: str = job_id, report: FinishedAttempt = report) -> object:
            if number % 2:
                return jobs.cancel(session, job_id)
            return jobs.finish(session, "studio", "worker", [report], 3)

        together(database, clash)
    with database.read() as session:
        assert set(session.scalars(select(Job.state).where(Job.id.in_(ids)))) == {"succeeded"}


def test_a_cancel_and_a_claim_at_once_never_wait_for_each_other(database: Database, fence: Fence) -> None:
    for job_id in [f"job-{n:02}" for n in range(12)]:
        do(database, jobs.assign, fence, [Placement(job_id, "studio", "echo", None, 1)], TIMERS)
        ref = AttemptRef(job_id=job_id, attempt=1)

        def clash(session: Session, number: int, job_id: str = job_id, ref: AttemptRef = ref) -> object:
            if number % 2:
                return jobs.cancel(session, job_id)
            return jobs.claim(session, "studio", "worker", [ref], 60.0)

        together(database, clash)
    with database.read() as session:
        states = set(session.scalars(select(Job.state).where(Job.attempt == 1)))
    assert states <= {"cancelled", "running"}


def test_pieces_said_at_once_are_kept_once(database: Database, fence: Fence) -> None:
    running(database, fence, "job-00")
    items = [Item(index=index, data=index) for index in range(20)]
    ref = AttemptRef(job_id="job-00", attempt=1)
    kept = together(database, lambda session, _: jobs.checkpoint(session, "studio", "worker", ref, items))
    assert sorted(kept, key=lambda fresh: fresh != []) == [[]] * (THREADS - 1) + [items], "all are new to one thread"


def test_syncs_and_ends_at_once_never_wait_for_each_other(database: Database, fence: Fence) -> None:
    ids = [f"job-{n:02}" for n in range(40)]
    running(database, fence, *ids)

    def clash(session: Session, number: int) -> None:
        order = random.Random(number).sample(ids, len(ids))
        if number % 2:
            statuses = [AttemptStatus(job_id=i, attempt=1, worker="worker", phase="work") for i in order]
            jobs.keep_alive(session, "studio", statuses, 60.0)
        else:
            reports = [FinishedAttempt(job_id=i, attempt=1, outcome=Outcome.SUCCEEDED) for i in order[:20]]
            jobs.finish(session, "studio", "worker", reports, 3)

    assert together(database, clash) == [None] * THREADS


def test_a_scheduler_that_is_overtaken_while_it_waits_changes_nothing(database: Database, fence: Fence) -> None:
    """Eight renewals and eight plans at once: whoever holds an old fence is refused, whatever the order."""
    old = Fence("scheduler", fence.epoch - 1)
    plan = [Placement("job-00", "studio", "echo", None, 1)]
    given = together(database, lambda s, n: len(jobs.assign(s, fence if n == 0 else old, plan, TIMERS)))
    assert [one for one in given if isinstance(one, int)] == [1]
    assert sum(isinstance(one, StaleTransition) for one in given) == THREADS - 1


def test_events_of_many_writers_all_arrive(database: Database, fence: Fence) -> None:
    with database.read() as session:
        before = session.scalar(select(func.count()).select_from(Event)) or 0
    rows = [
        [{"id": f"new-{t}-{n}", "kind": "inference", "params": {}, "capability": "generate"} for n in range(20)]
        for t in range(THREADS)
    ]
    together(database, lambda session, n: jobs.submit(session, rows[n]))
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == before + 20 * THREADS


@pytest.mark.parametrize("name", ["nightly", "hourly", "weekly"])
def test_of_eight_schedules_of_one_name_one_is_kept(database: Database, name: str) -> None:
    wish = Wish(name, "30 2 * * *", {"kind": "inference"})
    kept = together(database, lambda session, _: schedules.add(session, wish, "key").name)
    assert sum(isinstance(one, Conflict) for one in kept) == THREADS - 1
    assert [one for one in kept if not isinstance(one, Conflict)] == [name]


@pytest.mark.parametrize("name", ["mini", "max", "ultra"])
def test_a_new_host_that_joins_eight_times_at_once_has_the_token_of_one(database: Database, name: str) -> None:
    tokens = {str(token) for token in together(database, lambda session, _: hosts.join(session, name, {}))}
    with database.read() as session:
        held = session.get_one(Host, name).token_digest
    assert len(tokens) == THREADS
    assert held in {digest(token) for token in tokens}
