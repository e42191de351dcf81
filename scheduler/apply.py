"""From a plan to changed rows: one transaction, through the state machines, whose guards have the last word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import asdict

from sqlalchemy.orm import Session

from scheduler.decisions import MEMORY_GUARD, Assign, NewRun, Plan, Preempt, Start, Stop
from shared import leader
from shared.broker.messages import Hint
from shared.identifiers import new_id
from shared.jobs import state as jobs
from shared.jobs.reserve import reserve
from shared.jobs.state import Dispatched, Placement, Timers
from shared.leader import Fence
from shared.protocol import AttemptRef, RunRef
from shared.queues import note_passes
from shared.runs import state as runs
from shared.runs.state import RunMessage, RunPlacement
from shared.vocabulary import Priority

#: What to send once the transaction is committed, by lane.
Messages = Mapping[str, list[Hint]]


def apply(session: Session, fence: Fence, plan: Plan, timers: Timers) -> Messages:
    """Carry out as much of `plan` as still holds, and return the hints to send after the commit.

    Raises StaleTransition, having changed nothing, when another scheduler leads.
    """
    leader.check(session, fence)
    jobs.fail_queued(session, fence, plan.failures)
    told = _stop(session, fence, plan.stops)
    _preempt(session, fence, plan.preempts)
    told += _start(session, fence, plan.starts, timers)
    given = _assign(session, fence, plan, timers)
    note_passes(session, plan.passes)
    return by_lane(given, told)


def by_lane(attempts: Iterable[Dispatched], hints: Iterable[RunMessage]) -> Messages:
    """Hints by lane; those to runs first, since attempts may wait for them."""
    lanes: defaultdict[str, list[Hint]] = defaultdict(list)
    for hint in hints:
        lanes[hint.lane].append(RunRef(run_id=hint.run_id, generation=hint.generation))
    for attempt in attempts:
        lanes[attempt.lane].append(AttemptRef(job_id=attempt.job_id, attempt=attempt.attempt))
    return lanes


def _stop(session: Session, fence: Fence, stops: Iterable[Stop]) -> list[RunMessage]:
    loaded: defaultdict[str, list[str]] = defaultdict(list)
    for stop in stops:
        if stop.placed:
            loaded[stop.reason].append(stop.run_id)
        else:
            runs.request_stop(session, stop.run_id, stop.reason)
    shed = runs.shed(session, fence, loaded.pop(MEMORY_GUARD, []), MEMORY_GUARD)
    return shed + [hint for reason, ids in loaded.items() for hint in runs.evict(session, fence, ids, reason)]


def _preempt(session: Session, fence: Fence, wishes: Iterable[Preempt]) -> None:
    asked: defaultdict[str, list[AttemptRef]] = defaultdict(list)
    for wish in wishes:
        asked[wish.reason].append(AttemptRef(job_id=wish.job_id, attempt=wish.attempt))
    for reason, refs in asked.items():
        jobs.preempt(session, fence, refs, reason)


def _start(session: Session, fence: Fence, starts: Iterable[Start], timers: Timers) -> list[RunMessage]:
    placements = [_run_placement(session, start) for start in starts]
    return runs.place(session, fence, placements, timers)


def _run_placement(session: Session, start: Start) -> RunPlacement:
    run_id = start.run if isinstance(start.run, str) else _create(session, start.run)
    need = start.size.need
    return RunPlacement(
        run_id,
        start.host,
        start.runtime,
        start.size.slots,
        start.size.context,
        need.total,
        {cause: size for cause, size in asdict(need).items() if size},
    )


def _create(session: Session, new: NewRun) -> str:
    run_id = new_id("run")
    row = {
        "id": run_id,
        "model_id": new.model_id,
        "model": new.model,
        "capability": new.capability,
        "spec": new.spec.model_dump(mode="json", exclude_unset=True),
        "wanted_runtime": new.wanted_runtime,
        "wanted_host": new.wanted_host,
        "priority": list(Priority)[new.rank],
        "pinned": new.spec.pinned,
        "keep_alive": new.spec.keep_alive,
    }
    runs.create(session, [row])
    return run_id


def _assign(session: Session, fence: Fence, plan: Plan, timers: Timers) -> list[Dispatched]:
    """Work that goes to a host before it is reserved is assigned before: a reserved host takes nothing else."""
    reserving = {wish.job_id for wish in plan.reserves}
    first = [_placement(each) for each in plan.assigns if each.job_id not in reserving]
    then = [_placement(each) for each in plan.assigns if each.job_id in reserving]
    given = jobs.assign(session, fence, first, timers)
    for wish in plan.reserves:
        reserve(session, fence, wish.host, wish.job_id)
    return given + jobs.assign(session, fence, then, timers)


def _placement(decision: Assign) -> Placement:
    return Placement(decision.job_id, decision.host, decision.runtime, decision.run_id, decision.slots)
