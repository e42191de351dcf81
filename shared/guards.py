"""The guards of every transition, by name: what must hold for a state to change.

Each is a list of SQL conditions or a plain question. The crash simulation takes them away one by one and must
break an invariant each time; a guard that can be missed is not a guard.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import ColumnElement, TextClause, exists, select

from shared.tables import Attempt, Host, Job, Leader, Run, is_live_attempt, is_live_run
from shared.vocabulary import FINAL_JOB_STATES, AttemptState, JobState, RunState

Conditions = list[ColumnElement[bool] | TextClause]
Moment = ColumnElement[float]


# --- the scheduler -----------------------------------------------------------------------------


def leads(holder: str, epoch: int, moment: Moment) -> Conditions:
    """I8: only the current epoch, held by this process and not yet over, may schedule."""
    return [Leader.holder == holder, Leader.epoch == epoch, Leader.until > moment]


def assignable() -> Conditions:
    """A job is assigned only from the queue."""
    return [Job.state == JobState.QUEUED]


def due(moment: Moment) -> Conditions:
    """Not before its time. A cancelled job is not in the queue, so that is not asked here."""
    return [(Job.not_before.is_(None)) | (Job.not_before <= moment)]


def slots_free(wanted: int, used: int, offered: int) -> bool:
    """A run never has more live attempts' slots than it offers."""
    return used + wanted <= offered


def budget_holds(need: int, held: int, budget: int) -> bool:
    """I6: what runs hold on a host stays within its budget."""
    return held + need <= budget


def unpaused(parts: Collection[str], paused: Collection[str]) -> bool:
    """A job begins only while no part of the queue that it belongs to is paused."""
    return not any(part in paused for part in parts)


def within_limits(parts: Collection[str], left: Mapping[str, int]) -> bool:
    """A job begins only while each part with a limit has one left."""
    return all(left[part] > 0 for part in parts if part in left)


def unreserved() -> Conditions:
    """A host is kept for one exclusive job at a time."""
    return [Host.reserved_by.is_(None)]


def admits(reserved_by: str | None, job_id: str) -> bool:
    """A reserved host takes nothing but the job it is kept for."""
    return reserved_by in (None, job_id)


def alone(others: int) -> bool:
    """I13: an exclusive job begins only when nothing else is under way on its host."""
    return others == 0


def sole(kept_for: Collection[str]) -> Conditions:
    """I13: an exclusive job goes only to the host that is kept for it."""
    return [Job.exclusive.is_(False) | Job.id.in_(kept_for)]


def placeable() -> Conditions:
    """A run is placed only while it waits and nobody has placed it."""
    return [Run.state == RunState.PENDING, Run.host.is_(None)]


def idle(moment: Moment) -> Conditions:
    """A run is evicted only while no live attempt and no gateway request uses it."""
    attempted = exists(select(Attempt.job_id).where(Attempt.run_id == Run.id, is_live_attempt))
    return [~attempted, Run.last_used_at.is_(None) | (Run.last_used_at <= moment)]


def interruptible() -> Conditions:
    """An attempt is asked to give way only while it is alive, and once."""
    return [is_live_attempt, Attempt.preempt_requested_at.is_(None)]


def lease_over(moment: Moment) -> Conditions:
    """An attempt is lost only after its lease."""
    return [is_live_attempt, Attempt.state == AttemptState.RUNNING, Attempt.lease_until <= moment]


def unclaimed(moment: Moment) -> Conditions:
    """An attempt is abandoned only when no worker took it in time."""
    return [is_live_attempt, Attempt.state == AttemptState.ASSIGNED, Attempt.claim_by <= moment]


def run_lease_over(moment: Moment) -> Conditions:
    """A run is given up only after its lease; a pending one has none."""
    return [is_live_run, Run.state != RunState.PENDING, Run.lease_until <= moment]


def run_untended(moment: Moment) -> Conditions:
    """A run is placed anew only when no worker has begun to load it in time."""
    return [is_live_run, Run.state == RunState.PENDING, Run.host.is_not(None), Run.claim_by <= moment]


# --- workers -----------------------------------------------------------------------------------


def claimable(host: str) -> Conditions:
    """One worker wins: an attempt is claimed once, on the host it was given to."""
    return [Attempt.state == AttemptState.ASSIGNED, Attempt.host == host]


def owned(host: str) -> Conditions:
    """I5: only an attempt that runs, on this host, may be kept alive or written to."""
    return [Attempt.state == AttemptState.RUNNING, Attempt.host == host]


def finishes(attempt: Attempt, worker: str, host: str) -> bool:
    """I5: a result counts only from the worker that runs this very attempt."""
    return attempt.state == AttemptState.RUNNING and attempt.worker == worker and attempt.host == host


def repeats(attempt: Attempt, worker: str, state: AttemptState) -> bool:
    """The same worker said the same before: its answer was lost on the way."""
    return attempt.worker == worker and attempt.state == state


def run_owned(run: Run, generation: int, worker: str, host: str) -> bool:
    """A run is reported on only by the worker that loaded this very generation."""
    return run.generation == generation and run.worker == worker and run.host == host


def tendable(run: Run, generation: int, host: str) -> bool:
    """One worker starts a run: the current generation, on the host it was placed on, not yet taken."""
    return run.state == RunState.PENDING and run.generation == generation and run.host == host


def reaped(gone: bool) -> bool:
    """Memory is free only once the process is known to be gone; a lease that ran out proves nothing."""
    return gone


# --- people ------------------------------------------------------------------------------------


def retryable() -> Conditions:
    """I10: a final state is left only by a retry, and only failed and cancelled jobs are retried."""
    return [Job.state.in_(FINAL_JOB_STATES - {JobState.SUCCEEDED})]
