"""Looking at jobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import exists, func, select, tuple_
from sqlalchemy.orm import Session

from shared.jobs.state import no_such_job
from shared.tables import Attempt, Job, Result, is_waiting_job
from shared.vocabulary import JobState


@dataclass(frozen=True)
class Filter:
    """Which jobs; what is unset does not matter."""

    states: Sequence[JobState] = ()
    kind: str | None = None
    model: str | None = None
    #: Asked for it, or ran there.
    host: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


def find(session: Session, job_id: str) -> Job:
    """Raises NotFound."""
    job = session.get(Job, job_id)
    if job is None:
        raise no_such_job(job_id)
    return job


def jobs(session: Session, wanted: Filter, *, after: str | None = None, limit: int = 50) -> list[Job]:
    """The newest first, from the one after `after`."""
    query = select(Job).order_by(Job.id.desc()).limit(limit)
    if after is not None:
        query = query.where(Job.id < after)
    if wanted.states:
        query = query.where(Job.state.in_(wanted.states))
    if wanted.kind is not None:
        query = query.where(Job.kind == wanted.kind)
    if wanted.model is not None:
        query = query.where((Job.model == wanted.model) | (Job.model_id == wanted.model))
    if wanted.host is not None:
        there = select(Attempt.job_id).where(Attempt.job_id == Job.id, Attempt.host == wanted.host)
        query = query.where((Job.host == wanted.host) | exists(there))
    for name, value in wanted.labels.items():
        query = query.where(Job.labels[name].as_string() == value)
    return list(session.scalars(query))


def attempts(session: Session, job_id: str) -> list[Attempt]:
    """The oldest first."""
    return list(session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.number)))


def items_done(session: Session, job_id: str) -> int:
    """Finished pieces that are kept."""
    return session.scalar(select(func.count()).select_from(Result).where(Result.job_id == job_id)) or 0


def position(session: Session, job: Job) -> int | None:
    """Jobs before it in the queue; `None` when it does not wait."""
    if job.state != JobState.QUEUED:
        return None
    place = tuple_(Job.rank, Job.queued_at, Job.id)
    ahead = select(func.count()).where(is_waiting_job, place < (job.rank, job.queued_at, job.id))
    return session.scalar(ahead) or 0
