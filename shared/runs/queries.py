"""Looking at runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from shared.runs.state import no_such_run
from shared.tables import Attempt, Run, is_live_attempt, is_live_run
from shared.vocabulary import FINAL_RUN_STATES, Capability, RunState

LIVE = tuple(state for state in RunState if state not in FINAL_RUN_STATES)


def find(session: Session, run_id: str) -> Run:
    """Raises NotFound."""
    run = session.get(Run, run_id)
    if run is None:
        raise no_such_run(run_id)
    return run


def runs(
    session: Session, *, states: Sequence[RunState] = (), model: str | None = None, host: str | None = None,
    after: str | None = None, limit: int = 50,
) -> list[Run]:  # fmt: skip
    """The newest first, from the one after `after`."""
    query = select(Run).order_by(Run.id.desc()).limit(limit)
    if after is not None:
        query = query.where(Run.id < after)
    if states:
        query = query.where(Run.state.in_(states))
    if states and not FINAL_RUN_STATES.intersection(states):
        query = query.where(is_live_run)
    if model is not None:
        query = query.where((Run.model == model) | (Run.model_id == model))
    if host is not None:
        query = query.where(Run.host == host)
    return list(session.scalars(query))


def slots_used(session: Session, run_ids: Collection[str]) -> dict[str, int]:
    """Slots that live attempts hold, by run; runs that nobody uses are left out."""
    rows = session.execute(
        select(Attempt.run_id, func.sum(Attempt.slots))
        .where(is_live_attempt, Attempt.run_id.in_(run_ids))
        .group_by(Attempt.run_id)
    )
    return {run_id: int(total) for run_id, total in rows if run_id is not None}


def context_of(run: Run) -> int:
    """Tokens of a slot: what the engine says or was asked for, whichever is more; 0 while nobody knows.

    What was asked for counts although the engine has less: it was as much as there is.
    """
    said = (run.endpoint or {}).get("context") or run.context
    return max(said or 0, run.spec.get("context") or 0)


def serving(session: Session, model_id: str, capability: Capability, host: str | None = None) -> list[Run]:
    """Runs of a model that anybody may use, on any host or those that are or will be on this one; ready ones first."""
    query = select(Run).where(
        is_live_run,
        Run.model_id == model_id,
        Run.capability == capability,
        Run.owner_job.is_(None),
        Run.state.in_([RunState.PENDING, RunState.STARTING, RunState.READY]),
    )
    if host is not None:
        query = query.where(func.coalesce(Run.host, Run.wanted_host, host) == host)
    rows = session.scalars(query.order_by(Run.id))
    return sorted(rows, key=lambda run: run.state != RunState.READY)
