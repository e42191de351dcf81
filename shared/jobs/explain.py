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


def explain(session: Session, job: Job) -> Explanation:
    """With its place in the queue, what keeps it off each host, and when it may begin."""
    if job.state == JobState.QUEUED:
        return _waits(session, job)
    return Explanation(id=job.id, state=job.state, sentence=_sentence(session, job))


def _waits(session: Session, job: Job) -> Explanation:
    ahead, reason = position(session, job), _reason(session, job)
    said = str(reason.get("sentence") or _unlooked(job))
    return waiting(
        job.id,
        job.state,
        reason,
        sentence=f"waits with {ahead} before it: {said}",
        position=ahead,
        ahead=_ahead(session, job) if reason.get("each") is not None else None,
    )


def _reason(session: Session, job: Job) -> dict[str, Any]:
    """What the scheduler wrote; of a job that is not to start yet, with the moment and how far it is off."""
    reason, left = job.blocked_by or {}, (job.not_before or 0.0) - clock_time(session)
    if left <= 0:
        return reason
    moment = datetime.fromtimestamp(job.not_before or 0.0, UTC).isoformat(sep=" ", timespec="seconds")
    said = f"{_unlooked(job)}, not before {moment}" if job.error else f"it is not to start before {moment}"
    return {**reason, "code": _LATER, "sentence": said, "seconds": round(left, 3)}


def _ahead(session: Session, job: Job) -> int:
    """Jobs before it that wait for the same model."""
    place = tuple_(Job.rank, Job.queued_at, Job.id)
    same = (Job.model_id == job.model_id, Job.capability == job.capability)
    before = select(func.count()).where(is_waiting_job, *same, place < (job.rank, job.queued_at, job.id))
    return session.scalar(before) or 0


def _unlooked(job: Job) -> str:
    if job.error:
        return "it is tried again after " + Problem.model_validate(job.error).sentence()
    return "the scheduler has not looked at it yet"


def _sentence(session: Session, job: Job) -> str:
    if job.state.final:
        problem = Problem.model_validate(job.error) if job.error else None
        return f"{job.state}: {problem.sentence()}" if problem else f"{job.state} on attempt {job.attempt}"
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
