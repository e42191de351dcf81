"""Live attempts one by one, as far as a plan needs more than their sums."""

from __future__ import annotations

from sqlalchemy import Connection, select

from scheduler.views import AttemptView
from shared.tables import Attempt, Job, is_live_attempt

_attempt, _job = Attempt.__table__.c, Job.__table__.c

_LIVE = (
    select(
        _attempt.job_id, _attempt.number, _attempt.run_id, _attempt.slots, _job.rank, _attempt.started_at,
        _attempt.assigned_at, _job.preemptible, _attempt.preempt_requested_at, _job.preemptions,
    )
    .join(_job.id.table, _job.id == _attempt.job_id)
    .where(is_live_attempt, _attempt.run_id.is_not(None))
    .order_by(_attempt.job_id)
)  # fmt: skip
_AVOID = _job.placement["avoid"].as_string()
_APART = (
    select(_attempt.host, _AVOID)
    .join(_job.id.table, _job.id == _attempt.job_id)
    .where(is_live_attempt, _AVOID.is_not(None))
)


def read_attempts(connection: Connection) -> tuple[AttemptView, ...]:
    """Those that hold slots of a run."""
    return tuple(
        AttemptView(
            job_id, number, run_id, slots, rank, started_at or assigned_at, preemptible, asked_at is not None, before
        )
        for job_id, number, run_id, slots, rank, started_at, assigned_at, preemptible, asked_at, before in (
            connection.execute(_LIVE)
        )
    )


def read_apart(connection: Connection) -> dict[str, frozenset[str]]:
    """By host, the `label=value` words of work there whose like is to be kept apart."""
    found: dict[str, set[str]] = {}
    for host, word in connection.execute(_APART):
        found.setdefault(host, set()).add(word)
    return {host: frozenset(words) for host, words in found.items()}
