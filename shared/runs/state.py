"""The state machine of runs, whole. Nobody else writes their states or the memory they hold.

    pending → starting → ready → stopping → stopped
       ↑_________|_________|________|_______→ failed

A run is fenced by its generation: each placement raises it, and a worker that speaks of an older one is not heard.
Memory is held from the placement until the process is known to be gone: its worker says so after it has reaped it, or
the host's agent does, or the host came back from another boot. A lease that ran out proves nothing about memory.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Integer, and_, bindparam, case, func, insert, select, tuple_, update
from sqlalchemy.orm import Session

from shared import catalog, events, guards, leader
from shared.db import clock_time, locked, now
from shared.errors import Conflict, NotFound, Problem
from shared.events import NewEvent
from shared.jobs import state as jobs
from shared.jobs.state import REPUBLISH, Timers
from shared.lane import lane_name
from shared.leader import Fence
from shared.protocol import RunAction, RunEvent, RunRef, RunReport, RunStatus
from shared.runs import learning, quarantine
from shared.tables import Host, Run, is_live_run
from shared.vocabulary import Guard, RunState

_LOADED = (RunState.STARTING, RunState.READY, RunState.STOPPING)
_FINAL = (RunState.STOPPED, RunState.FAILED)
_HINTED = (RunState.PENDING, RunState.STOPPING)


@dataclass(frozen=True)
class RunPlacement:
    """Where a pending run goes and what it will hold there."""

    run_id: str
    host: str
    runtime: str
    slots: int
    context: int
    need: int
    parts: dict[str, Any]


@dataclass(frozen=True)
class RunMessage:
    """A hint that is due: only ids."""

    run_id: str
    generation: int
    lane: str


# --- wishes ------------------------------------------------------------------------------------


def create(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    """Ask for runs; the scheduler places them."""
    moment = clock_time(session)
    session.execute(insert(Run), [{**row, "state": RunState.PENDING, "created_at": moment} for row in rows])
    events.record(session, [_event("run.pending", row["id"], model=row["model"]) for row in rows])


def request_stop(session: Session, run_id: str, reason: str) -> RunState:
    """A person or the owner wants it gone. Raises NotFound; a run that is over stays as it is."""
    run = locked(session, Run, run_id)
    if run is None:
        raise no_such_run(run_id)
    _stop(session, run, reason)
    return run.state


def _stop(session: Session, run: Run, reason: str) -> None:
    moment = clock_time(session)
    if run.state == RunState.PENDING:
        _over(session, run, RunState.STOPPED, moment, gone=True, reason=reason)
    elif run.state in (RunState.STARTING, RunState.READY):
        run.state, run.stop_reason = RunState.STOPPING, reason
        run.publish_at, run.published = moment, 0
        events.record(session, [_event("run.stopping", run.id, host=run.host, reason=reason)])
    session.flush()


# --- the scheduler -----------------------------------------------------------------------------


def place(session: Session, fence: Fence, placements: Sequence[RunPlacement], timers: Timers) -> list[RunMessage]:
    """Give pending runs to hosts whose budget holds them; the others keep waiting."""
    if not placements:
        return []
    leader.check(session, fence)
    hosts = _held(session, {p.host for p in placements})
    placed = []
    for placement in placements:
        held, budget = hosts.get(placement.host, (0, 0))
        if not guards.budget_holds(placement.need, held, budget):
            continue
        message = _place_one(session, placement, timers)
        if message is not None:
            hosts[placement.host] = (held + placement.need, budget)
            placed.append(message)
    return placed


def _place_one(session: Session, p: RunPlacement, timers: Timers) -> RunMessage | None:
    moment = now(session)
    generation = session.scalar(
        update(Run)
        .where(Run.id == p.run_id, *guards.placeable())
        .values(
            host=p.host, runtime=p.runtime, slots=p.slots, context=p.context, generation=Run.generation + 1,
            memory_need=p.need, memory_held=p.need, memory_parts=p.parts, blocked_by=None, worker=None,
            publish_at=moment + REPUBLISH, published=1, claim_by=moment + timers.claim,
        )
        .returning(Run.generation),
        execution_options={"synchronize_session": False},
    )  # fmt: skip
    if generation is None:
        return None
    events.record(session, [_event("run.placed", p.run_id, host=p.host, runtime=p.runtime, bytes=p.need)])
    return RunMessage(p.run_id, generation, lane_name(p.host, p.runtime))


def _held(session: Session, names: Collection[str]) -> dict[str, tuple[int, int]]:
    """Bytes held and the budget, per host; the host rows stay locked until the transaction ends."""
    budgets = session.execute(select(Host.name, Host.budget).where(Host.name.in_(names)).with_for_update()).all()
    sums = session.execute(
        select(Run.host, func.sum(Run.memory_held)).where(Run.host.in_(names), Run.memory_held > 0).group_by(Run.host)
    )
    held = {host: int(total) for host, total in sums}
    return {name: (held.get(name, 0), budget) for name, budget in budgets}


def evict(session: Session, fence: Fence, run_ids: Collection[str], reason: str) -> list[RunMessage]:
    """Stop runs that no live attempt uses; a busy one is left alone."""
    if not run_ids:
        return []
    leader.check(session, fence)
    moment = now(session)
    rows = session.execute(
        update(Run)
        .where(Run.id.in_(run_ids), Run.state.in_((RunState.STARTING, RunState.READY)), *guards.idle(moment))
        .values(state=RunState.STOPPING, stop_reason=reason, publish_at=moment + REPUBLISH, published=1)
        .returning(Run.id, Run.generation, Run.host, Run.runtime),
        execution_options={"synchronize_session": False},
    ).all()
    events.record(session, [_event("run.stopping", r.id, host=r.host, reason=reason) for r in rows])
    return [RunMessage(r.id, r.generation, lane_name(r.host, r.runtime)) for r in rows]


def shed(session: Session, fence: Fence, run_ids: Collection[str], reason: str) -> list[RunMessage]:
    """Stop runs although they are in use: a host runs out of memory. Their attempts are handed back."""
    if not run_ids:
        return []
    leader.check(session, fence)
    # Attempts are locked before their runs, as a finish does.
    owners = session.scalars(select(Run.owner_job).where(Run.id.in_(run_ids))).all()
    jobs.preempt(session, fence, jobs.users(session, run_ids, owners), reason)
    moment = now(session)
    rows = session.execute(
        update(Run)
        .where(Run.id.in_(run_ids), Run.state.in_((RunState.STARTING, RunState.READY)))
        .values(state=RunState.STOPPING, stop_reason=reason, publish_at=moment + REPUBLISH, published=1)
        .returning(Run.id, Run.generation, Run.host, Run.runtime),
        execution_options={"synchronize_session": False},
    ).all()
    events.record(session, [_event("run.stopping", r.id, host=r.host, reason=reason) for r in rows])
    return [RunMessage(r.id, r.generation, lane_name(r.host, r.runtime)) for r in rows]


def due_messages(session: Session, fence: Fence, limit: int = 200) -> list[RunMessage]:
    """Hints that are due again: placed but not started, or asked to stop but not stopped."""
    leader.check(session, fence)
    moment = now(session)
    rows = session.execute(
        update(Run)
        .where(
            Run.id.in_(
                select(Run.id)
                .where(is_live_run, Run.host.is_not(None), Run.state.in_(_HINTED), Run.publish_at <= moment)
                .limit(limit)
            )
        )
        .values(publish_at=moment + REPUBLISH, published=Run.published + 1)
        .returning(Run.id, Run.generation, Run.host, Run.runtime),
        execution_options={"synchronize_session": False},
    ).all()
    return [RunMessage(r.id, r.generation, lane_name(r.host, r.runtime)) for r in rows]


def rescue(session: Session, fence: Fence) -> list[str]:
    """Fail runs nobody has heard of past their lease, their memory still held; place untended ones again."""
    leader.check(session, fence)
    moment = clock_time(session)
    changed = []
    for run in session.scalars(select(Run).where(*guards.run_lease_over(now(session))).with_for_update()).all():
        _over(session, run, RunState.FAILED, moment, gone=False, error=_silent(run))
        changed.append(run.id)
    for run in session.scalars(select(Run).where(*guards.run_untended(now(session))).with_for_update()).all():
        run.host = run.runtime = run.claim_by = run.publish_at = None
        run.memory_held = 0
        events.record(session, [_event("run.pending", run.id, model=run.model, reason="no worker took it")])
        changed.append(run.id)
    session.flush()
    return changed


def block(session: Session, fence: Fence, reasons: dict[str, dict[str, Any] | None]) -> None:
    """Write why runs wait."""
    if not reasons:
        return
    leader.check(session, fence)
    session.connection().execute(
        update(Run)
        .where(Run.id == bindparam("run"), Run.state == RunState.PENDING)
        .values(blocked_by=bindparam("reason", type_=Run.blocked_by.type)),
        [{"run": run_id, "reason": reason} for run_id, reason in reasons.items()],
    )


# --- workers and agents ------------------------------------------------------------------------


def tend(session: Session, host: str, worker: str, ref: RunRef, lease: float) -> tuple[RunAction, Run | None]:
    """What the run wants of this worker. To be told `start` is to have claimed it."""
    run = locked(session, Run, ref.run_id)
    if run is None or run.host != host:
        return RunAction.NOTHING, None
    if guards.tendable(run, ref.generation, host):
        moment = clock_time(session)
        run.state, run.worker, run.lease_until = RunState.STARTING, worker, moment + lease
        run.publish_at = run.claim_by = None
        events.record(session, [_event("run.starting", run.id, host=host, model=run.model)])
        session.flush()
        return RunAction.START, run
    if run.state == RunState.STOPPING and guards.run_owned(run, ref.generation, worker, host):
        return RunAction.STOP, run
    return RunAction.NOTHING, run


def report(session: Session, host: str, said: RunReport, lease: float) -> bool:
    """A worker says what became of a run; `False` when it is no longer this worker's."""
    if said.event != RunEvent.READY:
        judge_anew(session, host)
    run = locked(session, Run, said.run_id)
    if run is None or not guards.run_owned(run, said.generation, said.worker, host):
        return False
    if run.state.final:
        return _end_again(session, run, said)
    moment = clock_time(session)
    run.memory_peak = _most(run.memory_peak, said.peak)
    run.memory_used = said.memory
    if said.event == RunEvent.READY:
        return _ready(session, run, said, moment, lease)
    stopped = said.event == RunEvent.STOPPED or run.state == RunState.STOPPING
    state = RunState.STOPPED if stopped else RunState.FAILED
    _over(session, run, state, moment, gone=True, error=None if stopped else said.error)
    session.flush()
    catalog.note_use(session, run.model_id, host, run.last_used_at or moment)
    if state == RunState.FAILED:
        quarantine.after_crash(session, run)
    return True


def _end_again(session: Session, run: Run, said: RunReport) -> bool:
    """The end of a run that was given up before, or whose first report was answered into the void: it is gone now."""
    if said.event == RunEvent.READY:
        return False
    run.memory_held = 0
    session.flush()
    return True


def _ready(session: Session, run: Run, said: RunReport, moment: float, lease: float) -> bool:
    if (run.memory_peak or 0) > run.memory_need:
        learning.outgrew(session, run)
    run.endpoint = said.endpoint.model_dump() if said.endpoint else None
    run.pid, run.load_seconds = said.pid, said.load_seconds
    run.ready_at = run.last_used_at = moment
    run.lease_until = moment + lease
    if run.state == RunState.STARTING:
        run.state = RunState.READY
        if said.endpoint is not None:
            run.slots, run.context = said.endpoint.slots, said.endpoint.context
        events.record(session, [_event("run.ready", run.id, host=run.host, seconds=said.load_seconds)])
    session.flush()
    catalog.note_use(session, run.model_id, run.host or "", moment)
    return True


def keep_alive(session: Session, host: str, statuses: Sequence[RunStatus], lease: float) -> set[RunRef]:
    """Extend the leases of runs that live on this host, with what they use; the ones that are still theirs."""
    if not statuses:
        return set()
    rows = session.execute(
        update(Run)
        .where(
            _in_refs(statuses),
            Run.host == host,
            Run.state.in_(_LOADED),
        )
        .values(lease_until=now(session) + lease)
        .returning(Run.id, Run.generation, Run.memory_need, Run.memory_peak),
        execution_options={"synchronize_session": False},
    ).all()
    kept = {(r.id, r.generation) for r in rows}
    measured = [s for s in statuses if (s.run_id, s.generation) in kept and s.memory is not None]
    if measured:
        session.connection().execute(
            update(Run)
            .where(Run.id == bindparam("run"))
            .values(
                memory_used=bindparam("used"),
                memory_peak=_highest(bindparam("most", type_=BigInteger)),
                busy_most=_busiest(bindparam("busy", type_=Integer)),
            ),
            [{"run": s.run_id, "used": s.memory, "most": s.peak or s.memory, "busy": s.busy or 0} for s in measured],
        )
        known = {r.id: max(r.memory_need, r.memory_peak or 0) for r in rows}
        _learn_at_once(session, [s.run_id for s in measured if (s.peak or s.memory or 0) > known[s.run_id]])
    return {RunRef(run_id=run_id, generation=generation) for run_id, generation in kept}


def _learn_at_once(session: Session, run_ids: Collection[str]) -> None:
    """These runs have never used so much, and it is more than they hold."""
    if run_ids:
        rows = session.scalars(select(Run).where(Run.id.in_(run_ids)).execution_options(populate_existing=True))
        for run in rows.all():
            learning.outgrew(session, run)


def confirm_dead(session: Session, host: str, refs: Collection[RunRef]) -> None:
    """The host says these processes are gone: their memory is free, and a run that still counted on one has failed."""
    if not refs:
        return
    judge_anew(session, host)
    rows = session.scalars(select(Run).where(_in_refs(refs), Run.host == host).with_for_update()).all()
    _free(session, rows)


def judge_anew(session: Session, host: str) -> None:
    """Memory came free here: what the guard said before that ends no further run, it must say so again.

    Call it before any run is locked, as hosts are locked before their runs.
    """
    shedding = (Host.name == host, Host.guard == Guard.SHEDDING)
    session.execute(
        update(Host).where(*shedding).values(guard=Guard.CLOSED), execution_options={"synchronize_session": False}
    )


def lingering(session: Session, host: str) -> list[RunRef]:
    """Loads that are over but still hold memory here: the host is to make sure that they are gone, and to say so.

    Without this the memory of a run whose worker died before it had a process would be held until the host restarts.
    """
    query = select(Run.id, Run.generation).where(Run.host == host, Run.memory_held > 0, Run.state.in_(_FINAL))
    return [RunRef(run_id=run_id, generation=generation) for run_id, generation in session.execute(query)]


def only_alive(session: Session, host: str, refs: Collection[RunRef]) -> None:
    """A host registers anew: whatever it does not name is gone."""
    alive = {(ref.run_id, ref.generation) for ref in refs}
    rows = session.scalars(
        select(Run).where(Run.host == host, (Run.memory_held > 0) | Run.state.in_(_LOADED)).with_for_update()
    ).all()
    _free(session, [r for r in rows if (r.id, r.generation) not in alive and r.state != RunState.PENDING])


def _free(session: Session, rows: Sequence[Run]) -> None:
    if not rows:
        return
    moment = clock_time(session)
    for run in rows:
        if run.state in _LOADED:
            stopping = run.state == RunState.STOPPING
            state = RunState.STOPPED if stopping else RunState.FAILED
            _over(session, run, state, moment, gone=True, error=None if stopping else _died(run))
        elif run.state.final:
            run.memory_held = 0
    session.flush()


# --- ends --------------------------------------------------------------------------------------


def _over(
    session: Session, run: Run, state: RunState, moment: float, *, gone: bool, reason: str | None = None,
    error: Problem | None = None,
) -> None:  # fmt: skip
    run.state, run.ended_at = state, moment
    run.publish_at = run.claim_by = run.lease_until = None
    run.endpoint = run.blocked_by = None
    if guards.reaped(gone):
        run.memory_held = 0
    if reason is not None:
        run.stop_reason = reason
    if error is not None:
        run.error = error.model_dump()
    learning.ended(session, run, error)
    said = {"error": error.sentence()} if error else {"reason": run.stop_reason}
    events.record(session, [_event(f"run.{state}", run.id, host=run.host, **said)])


def no_such_run(run_id: str) -> NotFound:
    return NotFound(
        f"There is no run {run_id}", "the id is wrong or the run was pruned", "list them: cidermill runs ls"
    )


def already_over(run: Run) -> Conflict:
    return Conflict(f"Run {run.id} is {run.state}", "it has already ended", "start a new one: cidermill runs start")


def _in_refs(refs: Collection[RunRef]) -> ColumnElement[bool]:
    """These loads; SQLite finds a pair only by walking the table, so the runs are named once more."""
    pairs = [(ref.run_id, ref.generation) for ref in refs]
    return and_(Run.id.in_([run_id for run_id, _ in pairs]), tuple_(Run.id, Run.generation).in_(pairs))


def _highest(peak: ColumnElement[int]) -> ColumnElement[int]:
    return case((Run.memory_peak > peak, Run.memory_peak), else_=peak)


def _busiest(jobs: ColumnElement[int]) -> ColumnElement[int]:
    """Of the slots that were ever at work at once, the most: those of jobs, and those people have now.

    `attended` is one more than those, the place for who comes next.
    """
    busy = jobs + case((Run.attended > 1, Run.attended - 1), else_=0)
    return case((Run.busy_most > busy, Run.busy_most), else_=busy)


def _most(first: int | None, second: int | None) -> int | None:
    known = [value for value in (first, second) if value is not None]
    return max(known) if known else None


def _silent(run: Run) -> Problem:
    return Problem(
        code="run_lost",
        what=f"Run {run.id} on {run.host} was not heard of in time",
        why="its host, agent or worker stopped reporting",
        fix="its memory stays reserved until the host has cleaned up; another run is started where it fits",
        retryable=True,
        crash=True,
    )


def _died(run: Run) -> Problem:
    return Problem(
        code="run_died",
        what=f"The process of run {run.id} on {run.host} is gone",
        why="it was ended from outside, or its worker was",
        fix="nothing to do: it is started again when a job needs it",
        retryable=True,
        crash=True,
    )


def _event(type_: str, run_id: str, host: str | None = None, **data: Any) -> NewEvent:
    return {"type": type_, "run_id": run_id, "host": host, "data": data}
