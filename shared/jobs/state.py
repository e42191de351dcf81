"""The state machine of jobs and their attempts, whole. Nobody else writes their states.

    queued → assigned → running → succeeded | failed | cancelled
       ↑________|__________|  (abandoned, lost, failed with tries left, released)

Each function is part of one short transaction, takes many rows at once, and changes only those whose guards hold
(`shared/guards.py`); what it returns is what really changed. Events are written with the change; messages go out after
the commit, by whoever called.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Float,
    Integer,
    and_,
    bindparam,
    case,
    func,
    insert,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.orm import Session

from shared import events, guards, leader
from shared.db import clock_time, locked, now
from shared.errors import Conflict, NotFound, Problem
from shared.events import NewEvent
from shared.jobs.hold import passing
from shared.jobs.settle import Settled, Standing, settle
from shared.lane import lane_name
from shared.leader import Fence
from shared.protocol import AttemptRef, AttemptStatus, FinishedAttempt, Item, Outcome, Verdict
from shared.tables import Attempt, Host, Job, Result, Run, is_live_attempt
from shared.vocabulary import AttemptState, JobState, Priority, RunState

#: Seconds until an unclaimed message is sent again; doubles each time.
REPUBLISH = 3.0

#: An attempt, how it ends, and why.
_Ending = tuple[Attempt, AttemptState, Problem | None]

_ENDED = {
    Outcome.SUCCEEDED: AttemptState.SUCCEEDED,
    Outcome.FAILED: AttemptState.FAILED,
    Outcome.CANCELLED: AttemptState.CANCELLED,
    Outcome.RELEASED: AttemptState.ABANDONED,
}


@dataclass(frozen=True)
class Timers:
    """Seconds, from the settings."""

    lease: float = 10.0
    claim: float = 20.0


@dataclass(frozen=True)
class Placement:
    """One job given to one lane, on a run when it needs one."""

    job_id: str
    host: str
    runtime: str
    run_id: str | None
    slots: int


@dataclass(frozen=True)
class Dispatched:
    """A message that is due: only ids."""

    job_id: str
    attempt: int
    lane: str


# --- submit ------------------------------------------------------------------------------------


def submit(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Insert new jobs as queued. Raises IntegrityError when an idempotency key is taken."""
    moment = clock_time(session)
    session.execute(
        insert(Job), [{**row, "state": JobState.QUEUED, "created_at": moment, "queued_at": moment} for row in rows]
    )
    events.record(session, [_event("job.queued", row["id"], kind=row["kind"]) for row in rows])


# --- the scheduler -----------------------------------------------------------------------------


def assign(session: Session, fence: Fence, placements: Sequence[Placement], timers: Timers) -> list[Dispatched]:
    """Give queued jobs to lanes; those whose guards no longer hold are left in the queue."""
    if not placements:
        return []
    leader.check(session, fence)
    placements, kept_for = _grantable(session, placements)
    moment = now(session)
    taken = session.execute(
        update(Job)
        .where(
            Job.id.in_([p.job_id for p in placements]),
            *guards.assignable(),
            *guards.due(moment),
            *guards.sole(kept_for),
        )
        .values(state=JobState.ASSIGNED, attempt=Job.attempt + 1, blocked_by=None, phase=None)
        .returning(Job.id, Job.attempt),
        execution_options={"synchronize_session": False},
    )
    numbers: dict[str, int] = dict(taken.all())
    granted = [p for p in placements if p.job_id in numbers]
    if not granted:
        return []
    at = clock_time(session)
    session.execute(
        insert(Attempt),
        [
            {
                "job_id": p.job_id,
                "number": numbers[p.job_id],
                "state": AttemptState.ASSIGNED,
                "host": p.host,
                "runtime": p.runtime,
                "run_id": p.run_id,
                "slots": p.slots,
                "epoch": fence.epoch,
                "assigned_at": at,
                "publish_at": at + REPUBLISH,
                "published": 1,
                "claim_by": at + timers.claim,
            }
            for p in granted
        ],
    )
    events.record(
        session,
        [
            _event("job.assigned", p.job_id, attempt=numbers[p.job_id], runtime=p.runtime, run=p.run_id, host=p.host)
            for p in granted
        ],
    )
    return [Dispatched(p.job_id, numbers[p.job_id], lane_name(p.host, p.runtime)) for p in granted]


def _grantable(session: Session, placements: Sequence[Placement]) -> tuple[list[Placement], list[str]]:
    """Each job once, where nothing holds it back, its host takes it and its run is still ready and has the slots; and
    those with a host kept for them."""
    kept_for = _kept_for(session, {p.host for p in placements})
    others = _others(session, {p.host for p in placements if kept_for.get(p.host) == p.job_id})
    used = _used_slots(session, {p.run_id for p in placements if p.run_id})
    passed = passing(session, [p.job_id for p in placements])
    granted: dict[str, Placement] = {}
    for placement in placements:
        owner = kept_for.get(placement.host)
        if placement.job_id in granted or not guards.admits(owner, placement.job_id):
            continue
        if placement.job_id not in passed:
            continue
        if owner == placement.job_id and not guards.alone(others.get(placement.host, 0)):
            continue
        if placement.run_id is not None:
            taken, offered = used.get(placement.run_id, (0, 0))
            if not guards.slots_free(placement.slots, taken, offered):
                continue
            used[placement.run_id] = (taken + placement.slots, offered)
        granted[placement.job_id] = placement
    return list(granted.values()), [p.job_id for p in granted.values() if kept_for.get(p.host) == p.job_id]


def _kept_for(session: Session, hosts: Collection[str]) -> dict[str, str | None]:
    """The jobs that hosts are reserved for; their rows stay locked until the transaction ends."""
    query = select(Host.name, Host.reserved_by).where(Host.name.in_(hosts)).with_for_update()
    return dict(session.execute(query).all())


def _others(session: Session, hosts: Collection[str]) -> dict[str, int]:
    """How many attempts are under way on each of these hosts."""
    if not hosts:
        return {}
    query = select(Attempt.host, func.count()).where(is_live_attempt, Attempt.host.in_(hosts)).group_by(Attempt.host)
    return dict(session.execute(query).all())


def _used_slots(session: Session, run_ids: Collection[str]) -> dict[str, tuple[int, int]]:
    """Slots in use and offered, of each run that is ready."""
    if not run_ids:
        return {}
    offered = session.execute(
        select(Run.id, Run.slots).where(Run.id.in_(run_ids), Run.state == RunState.READY).with_for_update()
    )
    in_use = session.execute(
        select(Attempt.run_id, func.sum(Attempt.slots))
        .where(Attempt.run_id.in_(run_ids), is_live_attempt)
        .group_by(Attempt.run_id)
    )
    counts = {run_id: int(total) for run_id, total in in_use}
    return {run_id: (counts.get(run_id, 0), slots) for run_id, slots in offered}


def due_messages(session: Session, fence: Fence, limit: int = 500) -> list[Dispatched]:
    """The outbox: assigned attempts nobody has claimed, whose message is due again; their next time is set."""
    leader.check(session, fence)
    moment = now(session)
    rows = session.execute(
        select(Attempt.job_id, Attempt.number, Attempt.host, Attempt.runtime)
        .where(is_live_attempt, Attempt.state == AttemptState.ASSIGNED, Attempt.publish_at <= moment)
        .order_by(Attempt.publish_at)
        .limit(limit)
    ).all()
    if rows:
        session.execute(
            update(Attempt)
            .where(
                _in_refs([(r.job_id, r.number) for r in rows]),
                Attempt.state == AttemptState.ASSIGNED,
            )
            .values(
                publish_at=moment + _republish_delay(),
                published=Attempt.published + 1,
            ),
            execution_options={"synchronize_session": False},
        )
    return [Dispatched(r.job_id, r.number, lane_name(r.host, r.runtime)) for r in rows]


def rescue(session: Session, fence: Fence, max_crashes: int) -> list[AttemptRef]:
    """End attempts whose lease is over (`lost`) or that nobody claimed (`abandoned`); their jobs settle."""
    leader.check(session, fence)
    moment = now(session)
    lost = session.scalars(select(Attempt).where(*guards.lease_over(moment)).with_for_update()).all()
    unclaimed = session.scalars(select(Attempt).where(*guards.unclaimed(moment)).with_for_update()).all()
    ended: list[_Ending] = [(attempt, AttemptState.LOST, _lost(attempt, "its lease ran out")) for attempt in lost]
    ended += [(attempt, AttemptState.ABANDONED, None) for attempt in unclaimed]
    refs = [AttemptRef(job_id=attempt.job_id, attempt=attempt.number) for attempt, _, _ in ended]
    _end(session, ended, max_crashes)
    return refs


def preempt(session: Session, fence: Fence, refs: Collection[AttemptRef], reason: str) -> None:
    """Ask attempts to give way: one that no worker has taken yet is handed back at once, one that runs is told.

    What is over, or was asked before, is left alone.
    """
    if not refs:
        return
    leader.check(session, fence)
    rows = session.scalars(
        select(Attempt)
        .where(_in_refs([(ref.job_id, ref.attempt) for ref in refs]), *guards.interruptible())
        .with_for_update()
    ).all()
    moment = clock_time(session)
    for attempt in rows:
        attempt.preempt_requested_at = moment
    session.flush()
    events.record(session, [_event("job.preempted", a.job_id, a.host, attempt=a.number, reason=reason) for a in rows])
    # Handed back, it counts as no crash, so that their limit does not matter.
    _end(session, [(a, AttemptState.ABANDONED, None) for a in rows if a.state == AttemptState.ASSIGNED], max_crashes=0)


def users(session: Session, run_ids: Collection[str], owners: Collection[str | None]) -> list[AttemptRef]:
    """Live attempts that use these runs, and those of the jobs that own them."""
    mine = Attempt.run_id.in_(run_ids) | Attempt.job_id.in_([owner for owner in owners if owner])
    query = select(Attempt.job_id, Attempt.number).where(is_live_attempt, mine)
    return [AttemptRef(job_id=job_id, attempt=number) for job_id, number in session.execute(query)]


def block(session: Session, fence: Fence, reasons: dict[str, dict[str, Any] | None]) -> None:
    """Write why jobs wait."""
    if not reasons:
        return
    leader.check(session, fence)
    session.connection().execute(
        update(Job)
        .where(Job.id == bindparam("job"), Job.state == JobState.QUEUED)
        .values(blocked_by=bindparam("reason", type_=Job.blocked_by.type)),
        [{"job": job_id, "reason": reason} for job_id, reason in reasons.items()],
    )


def fail_queued(session: Session, fence: Fence, problems: Mapping[str, Problem]) -> list[str]:
    """End jobs that no attempt could help; those that are no longer queued are left alone."""
    if not problems:
        return []
    leader.check(session, fence)
    moment = now(session)
    rows = session.execute(
        update(Job)
        .where(Job.id.in_(problems), *guards.assignable())
        .values(state=JobState.FAILED, finished_at=moment, blocked_by=None, phase=None)
        .returning(Job.id),
        execution_options={"synchronize_session": False},
    ).all()
    failed = [row.id for row in rows]
    if failed:
        session.connection().execute(
            update(Job).where(Job.id == bindparam("job")).values(error=bindparam("problem", type_=Job.error.type)),
            [{"job": job_id, "problem": problems[job_id].model_dump()} for job_id in failed],
        )
        _free_hosts(session, failed)
        events.record(session, [_event("job.failed", i, error=problems[i].sentence()) for i in failed])
    return failed


# --- workers -----------------------------------------------------------------------------------


def claim(session: Session, host: str, worker: str, refs: Sequence[AttemptRef], lease: float) -> list[Attempt]:
    """Start attempts: each is won by one worker, once."""
    if not refs:
        return []
    moment = now(session)
    won = session.scalars(
        update(Attempt)
        .where(_in_refs([(ref.job_id, ref.attempt) for ref in refs]), *guards.claimable(host))
        .values(state=AttemptState.RUNNING, worker=worker, started_at=moment, lease_until=moment + lease)
        .returning(Attempt),
        execution_options={"synchronize_session": False, "populate_existing": True},
    ).all()
    if not won:
        return []
    session.execute(
        update(Job)
        .where(Job.id.in_([attempt.job_id for attempt in won]), Job.state == JobState.ASSIGNED)
        .values(state=JobState.RUNNING, started_at=func.coalesce(Job.started_at, moment)),
        execution_options={"synchronize_session": False},
    )
    events.record(session, [_event("job.running", a.job_id, attempt=a.number, host=host) for a in won])
    return list(won)


def keep_alive(session: Session, host: str, statuses: Sequence[AttemptStatus], lease: float) -> dict[AttemptRef, bool]:
    """Extend leases and store progress: what still belongs to this host, and whether somebody wants it cancelled."""
    if not statuses:
        return {}
    refs = [(status.job_id, status.attempt) for status in statuses]
    kept = session.execute(
        update(Attempt)
        .where(_in_refs(refs), *guards.owned(host))
        .values(lease_until=now(session) + lease)
        .returning(Attempt.job_id, Attempt.number),
        execution_options={"synchronize_session": False},
    ).all()
    alive = {(job_id, number) for job_id, number in kept}
    told = [s for s in statuses if (s.job_id, s.attempt) in alive and (s.progress is not None or s.phase is not None)]
    if told:
        session.connection().execute(
            update(Job)
            .where(Job.id == bindparam("job"), Job.attempt == bindparam("number"))
            .values(
                progress=func.coalesce(bindparam("progress_now", type_=Job.progress.type), Job.progress),
                phase=func.coalesce(bindparam("phase_now", type_=Job.phase.type), Job.phase),
            ),
            [
                {
                    "job": s.job_id,
                    "number": s.attempt,
                    "progress_now": s.progress.model_dump(exclude_none=True) if s.progress else None,
                    "phase_now": s.phase,
                }
                for s in told
            ],
        )
    wanted = set(
        session.scalars(
            select(Job.id).where(Job.id.in_([job_id for job_id, _ in alive]), Job.cancel_requested_at.is_not(None))
        )
    )
    return {AttemptRef(job_id=job_id, attempt=number): job_id in wanted for job_id, number in kept}


def preempting(session: Session, host: str) -> list[AttemptRef]:
    """Running attempts of a host that are to give way."""
    query = select(Attempt.job_id, Attempt.number).where(
        is_live_attempt,
        Attempt.host == host,
        Attempt.state == AttemptState.RUNNING,
        Attempt.preempt_requested_at.is_not(None),
    )
    return [AttemptRef(job_id=job_id, attempt=number) for job_id, number in session.execute(query)]


def checkpoint(session: Session, host: str, worker: str, ref: AttemptRef, items: Sequence[Item]) -> list[Item] | None:
    """Keep finished pieces, each once and for ever: those that are new.

    `None` when the attempt is no longer this worker's.
    """
    attempt = locked(session, Attempt, (ref.job_id, ref.attempt))
    if attempt is None or not guards.finishes(attempt, worker, host):
        return None
    have = set(
        session.scalars(
            select(Result.index).where(Result.job_id == ref.job_id, Result.index.in_([item.index for item in items]))
        )
    )
    moment = clock_time(session)
    fresh = {item.index: item for item in items if item.index not in have}
    if fresh:
        session.execute(
            insert(Result),
            [
                {
                    "job_id": ref.job_id,
                    "index": i,
                    "attempt": ref.attempt,
                    "data": item.data,
                    "failed": _is_error(item.data),
                    "created_at": moment,
                }
                for i, item in fresh.items()
            ],
        )
    return list(fresh.values())


def _is_error(data: Any) -> bool:
    return isinstance(data, Mapping) and data.get("error") is not None


def finish(
    session: Session, host: str, worker: str, reports: Sequence[FinishedAttempt], max_crashes: int
) -> list[Verdict]:
    """End attempts and settle their jobs. Saying it twice is harmless; saying it too late changes nothing."""
    rows = session.scalars(
        select(Attempt).where(_in_refs([(r.job_id, r.attempt) for r in reports])).with_for_update()
    ).all()
    attempts = {(row.job_id, row.number): row for row in rows}
    verdicts: list[Verdict] = []
    ended: dict[tuple[str, int], _Ending] = {}
    results: dict[str, dict[str, Any] | None] = {}
    for report in reports:
        ref = (report.job_id, report.attempt)
        attempt = attempts.get(ref)
        state = _ended_as(attempt, report)
        if attempt is None:
            verdicts.append(Verdict.STALE)
        elif ref in ended:
            verdicts.append(Verdict.DUPLICATE if ended[ref][1] == state else Verdict.STALE)
        elif guards.finishes(attempt, worker, host):
            ended[ref] = (attempt, state, report.error if state != AttemptState.ABANDONED else None)
            results[report.job_id] = report.result
            verdicts.append(Verdict.ACCEPTED)
        else:
            verdicts.append(Verdict.DUPLICATE if guards.repeats(attempt, worker, state) else Verdict.STALE)
    _end(session, list(ended.values()), max_crashes, results)
    return verdicts


def _ended_as(attempt: Attempt | None, report: FinishedAttempt) -> AttemptState:
    """One whose run was ended under it, after it was asked to give way, is handed back: the death was ours."""
    given_way = attempt is not None and attempt.preempt_requested_at is not None
    if given_way and report.outcome == Outcome.FAILED and report.error is not None and report.error.crash:
        return AttemptState.ABANDONED
    return _ENDED[report.outcome]


def lose(session: Session, host: str, workers: Collection[str], max_crashes: int, why: str) -> list[AttemptRef]:
    """The host's agent saw these workers end: their attempts are lost at once, without waiting for the lease."""
    rows = session.scalars(
        select(Attempt)
        .where(
            is_live_attempt,
            Attempt.host == host,
            Attempt.worker.in_(workers),
            Attempt.state == AttemptState.RUNNING,
        )
        .with_for_update()
    ).all()
    refs = [AttemptRef(job_id=row.job_id, attempt=row.number) for row in rows]
    _end(session, [(row, AttemptState.LOST, _lost(row, why)) for row in rows], max_crashes)
    return refs


def workers_of(session: Session, host: str) -> set[str]:
    """Workers that hold running attempts on a host."""
    query = select(Attempt.worker).where(is_live_attempt, Attempt.host == host, Attempt.worker.is_not(None)).distinct()
    return {worker for worker in session.scalars(query) if worker}


# --- people ------------------------------------------------------------------------------------


def cancel(session: Session, job_id: str) -> JobState:
    """Cancel at once what does not run; ask what runs. Raises NotFound, or Conflict when it is already over."""
    # Attempts are locked before their jobs, as a claim and a finish do: the other way round they would wait for
    # each other for ever.
    session.execute(select(Attempt.number).where(Attempt.job_id == job_id, is_live_attempt).with_for_update())
    job = locked(session, Job, job_id)
    if job is None:
        raise no_such_job(job_id)
    if job.state.final:
        if job.state == JobState.CANCELLED:
            return job.state
        raise Conflict(f"Job {job_id} has already {job.state}", "a finished job cannot be cancelled", "nothing to do")
    moment = now(session)
    if job.state == JobState.RUNNING:
        if job.cancel_requested_at is None:
            session.execute(update(Job).where(Job.id == job_id).values(cancel_requested_at=moment))
            events.record(session, [_event("job.cancelling", job_id)])
        return JobState.RUNNING
    session.execute(
        update(Attempt)
        .where(Attempt.job_id == job_id, is_live_attempt)
        .values(state=AttemptState.CANCELLED, ended_at=moment),
        execution_options={"synchronize_session": False},
    )
    session.execute(
        update(Job)
        .where(Job.id == job_id)
        .values(state=JobState.CANCELLED, cancel_requested_at=moment, finished_at=moment, blocked_by=None)
    )
    if job.exclusive:
        _free_hosts(session, [job_id])
    events.record(session, [_event("job.cancelled", job_id)])
    return JobState.CANCELLED


def retry(session: Session, job_id: str, priority: Priority | None = None) -> None:
    """Queue a failed or cancelled job again, with what it had finished kept; its attempts keep counting up.

    `priority`: its class from now on.
    """
    moment = now(session)
    urgency = {"priority": priority, "rank": priority.rank} if priority is not None else {}
    again = session.scalar(
        update(Job)
        .where(Job.id == job_id, *guards.retryable())
        .values(
            state=JobState.QUEUED, failures=0, crashes=0, cancel_requested_at=None, finished_at=None, error=None,
            not_before=None, queued_at=moment, progress=None, phase=None, **urgency,
        )
        .returning(Job.id)
    )  # fmt: skip
    if again is None:
        job = session.get(Job, job_id)
        if job is None:
            raise no_such_job(job_id)
        raise Conflict(
            f"Job {job_id} is {job.state}", "only failed and cancelled jobs can be retried", "submit a new job instead"
        )
    events.record(session, [_event("job.queued", job_id, retry=True)])


# --- ends --------------------------------------------------------------------------------------


def _end(
    session: Session,
    ended: Sequence[_Ending],
    max_crashes: int,
    results: dict[str, dict[str, Any] | None] | None = None,
) -> None:
    """End attempts and settle their jobs, in one go."""
    if not ended:
        return
    moment = clock_time(session)
    standings = _standings(session, [attempt.job_id for attempt, _, _ in ended], max_crashes)
    settled = [(attempt, state, settle(standings[attempt.job_id], state, error)) for attempt, state, error in ended]
    problems = {a.job_id: error.model_dump() if error else None for a, _, error in ended}
    session.connection().execute(
        update(Attempt)
        .where(Attempt.job_id == bindparam("job"), Attempt.number == bindparam("n"))
        .values(
            state=bindparam("ended_as", type_=Attempt.state.type),
            ended_at=moment,
            error=bindparam("problem", type_=Attempt.error.type),
        ),
        [{"job": a.job_id, "n": a.number, "ended_as": state, "problem": problems[a.job_id]} for a, state, _ in settled],
    )
    session.connection().execute(_SETTLE, [_settle_row(a, state, s, moment, results) for a, state, s in settled])
    _touch_runs(session, {a.run_id for a, _, _ in settled if a.run_id}, moment)
    _free_hosts(session, [job_id for job_id, standing in standings.items() if standing.exclusive])
    events.record(session, [_settled_event(a, state, s) for a, state, s in settled])
    for attempt, _, _ in settled:
        session.expire(attempt)


def _standings(session: Session, job_ids: Sequence[str], max_crashes: int) -> dict[str, Standing]:
    """Where these jobs stand; their rows stay locked until the transaction ends."""
    columns = (Job.id, Job.failures, Job.crashes, Job.max_failures, Job.cancel_requested_at, Job.exclusive)
    rows = session.execute(select(*columns).where(Job.id.in_(job_ids)).with_for_update())
    return {
        row.id: Standing(
            row.failures, row.crashes, row.max_failures, max_crashes, row.cancel_requested_at is not None, row.exclusive
        )
        for row in rows
    }


_SETTLE = (
    update(Job)
    .where(Job.id == bindparam("job"))
    .values(
        state=bindparam("next_state", type_=Job.state.type),
        failures=bindparam("failed"),
        crashes=bindparam("crashed"),
        preemptions=Job.preemptions + bindparam("gave_way", type_=Integer),
        not_before=bindparam("next_time", type_=Float),
        finished_at=bindparam("end_time", type_=Float),
        result=bindparam("outcome", type_=Job.result.type),
        result_attempt=bindparam("outcome_attempt"),
        error=bindparam("problem", type_=Job.error.type),
        phase=literal(None),
    )
)


def _settle_row(
    attempt: Attempt,
    ended: AttemptState,
    settled: Settled,
    moment: float,
    results: dict[str, dict[str, Any] | None] | None,
) -> dict[str, Any]:
    good = settled.state == JobState.SUCCEEDED
    queued = settled.state == JobState.QUEUED
    return {
        "job": attempt.job_id,
        "next_state": settled.state,
        "failed": settled.failures,
        "crashed": settled.crashes,
        "gave_way": int(ended == AttemptState.ABANDONED and attempt.preempt_requested_at is not None),
        "next_time": moment + settled.delay if queued and settled.delay else None,
        "end_time": None if queued else moment,
        "outcome": (results or {}).get(attempt.job_id) if good else None,
        "outcome_attempt": attempt.number if good else None,
        "problem": settled.error.model_dump() if settled.error else None,
    }


def _settled_event(attempt: Attempt, ended: AttemptState, settled: Settled) -> NewEvent:
    error = settled.error.sentence() if settled.error else None
    return _event(
        f"job.{settled.state}",
        attempt.job_id,
        attempt=attempt.number,
        ended=ended,
        host=attempt.host,
        **({"error": error} if error else {}),
    )


def _touch_runs(session: Session, run_ids: Collection[str], moment: float) -> None:
    if run_ids:
        session.execute(
            update(Run).where(Run.id.in_(run_ids)).values(last_used_at=moment),
            execution_options={"synchronize_session": False},
        )


def _free_hosts(session: Session, job_ids: Collection[str]) -> None:
    """An exclusive job that is over gives its host back; runs it acquired are stopped by the next plan."""
    if job_ids:
        session.execute(update(Host).where(Host.reserved_by.in_(job_ids)).values(reserved_by=None))


# --- small words -------------------------------------------------------------------------------


def no_such_job(job_id: str) -> NotFound:
    return NotFound(
        f"There is no job {job_id}", "the id is wrong or the job was pruned", "list them: cidermill jobs ls"
    )


def _in_refs(refs: Collection[tuple[str, int]]) -> ColumnElement[bool]:
    """These attempts; SQLite finds a pair only by walking the table, so the jobs are named once more."""
    return and_(Attempt.job_id.in_([job for job, _ in refs]), tuple_(Attempt.job_id, Attempt.number).in_(list(refs)))


def _republish_delay() -> Any:
    """Doubles with each message sent, up to a minute and a half."""
    return case({n: REPUBLISH * 2**n for n in range(5)}, value=Attempt.published, else_=REPUBLISH * 2**5)


def _lost(attempt: Attempt, why: str) -> Problem:
    return Problem(
        code="worker_lost",
        what=f"Attempt {attempt.number} was lost on {attempt.host}",
        why=why,
        fix="nothing to do: it is tried again elsewhere or here",
        retryable=True,
        crash=True,
    )


def _event(type_: str, job_id: str, host: str | None = None, **data: Any) -> NewEvent:
    return {"type": type_, "job_id": job_id, "host": host, "data": data}
