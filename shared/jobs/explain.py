"""What a job does or waits for."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import func, select, tuple_
from sqlalchemy.orm import Session

from shared.db import clock_time
from shared.errors import Problem
from shared.explanation import Explanation, waiting
from shared.jobs.queries import position
from shared.tables import Attempt, Job, is_waiting_job
from shared.vocabulary import JobState

#: The reason of whoever is not to start yet.
_LATER = "not_before"


def explain(session: Session, job: Job, *, private: bool = False) -> Explanation:
    """With its place in the queue, what keeps it off each host, and when it may begin.

    `private`: of what went wrong it tells what it was, and not why.
    """
    error = _failure(job, private=private)
    if job.state == JobState.QUEUED:
        return _waits(session, job, error)
    return Explanation(id=job.id, state=job.state, sentence=_sentence(session, job, error))


def _failure(job: Job, *, private: bool) -> str | None:
    if job.error is None:
        return None
    problem = Problem.model_validate(job.error)
    return problem.what if private else problem.sentence()


def _waits(session: Session, job: Job, error: str | None) -> Explanation:
    ahead, reason = position(session, job), _reason(session, job, error)
    said = str(reason.get("sentence") or _unlooked(error))
    return waiting(
        job.id,
        job.state,
        reason,
        sentence=f"waits with {ahead} before it: {said}",
        position=ahead,
        ahead=_ahead(session, job) if reason.get("each") is not None else None,
    )


def _reason(session: Session, job: Job, error: str | None) -> dict[str, Any]:
    """What the scheduler wrote; of a job that is not to start yet, with the moment and how far it is off."""
    reason, left = job.blocked_by or {}, (job.not_before or 0.0) - clock_time(session)
    if left <= 0:
        return reason
    moment = datetime.fromtimestamp(job.not_before or 0.0, UTC).isoformat(sep=" ", timespec="seconds")
    said = f"{_unlooked(error)}, not before {moment}" if error else f"it is not to start before {moment}"
    return {**reason, "code": _LATER, "sentence": said, "seconds": round(left, 3)}


def _ahead(session: Session, job: Job) -> int:
    """Jobs before it that wait for the same model."""
    place = tuple_(Job.rank, Job.queued_at, Job.id)
    same = (Job.model_id == job.model_id, Job.capability == job.capability)
    before = select(func.count()).where(is_waiting_job, *same, place < (job.rank, job.queued_at, job.id))
    return session.scalar(before) or 0


def _unlooked(error: str | None) -> str:
    return f"it is tried again after {error}" if error else "the scheduler has not looked at it yet"


def _sentence(session: Session, job: Job, error: str | None) -> str:
    if job.state.final:
        return f"{job.state}: {error}" if error else f"{job.state} on attempt {job.attempt}"
    attempt = session.get(Attempt, (job.id, job.attempt))
    where = f"on {attempt.host} with {attempt.runtime}" if attempt is not None else ""
    if job.state == JobState.ASSIGNED:
        return f"given to a worker {where}, which has not taken it yet"
    doing = f", {job.phase}" if job.phase else ""
    return f"attempt {job.attempt} runs {where}{doing}{_asked(job, attempt)}"


def _asked(job: Job, attempt: Attempt | None) -> str:
    if job.cancel_requested_at:
        return "; it was asked to stop"
    gives_way = attempt is not None and attempt.preempt_requested_at is not None
    return "; it was asked to give way" if gives_way else ""
