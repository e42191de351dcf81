"""Submitting jobs: many in one transaction, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.errors import IdempotencyMismatch
from shared.jobs import state
from shared.jobs.intake import Intake, Submission
from shared.keys import ANYONE, holder
from shared.tables import Job
from shared.vocabulary import JobState


@dataclass(frozen=True)
class Submitted:
    """A job that is queued now, or was already under the same Idempotency-Key (`fresh` is false)."""

    id: str
    kind: str
    state: JobState
    fresh: bool = True


@dataclass(frozen=True)
class Prepared:
    """Submissions that were checked: rows to queue, and what each submission is told once they are."""

    rows: list[dict[str, Any]]
    answers: list[Submitted]


def prepare(
    session: Session, submissions: Sequence[Submission], owner: str = "", *, internal: bool = False
) -> Prepared:
    """Check submissions, all or none; only reads, since a kind may ask the hub, which nobody must wait for.

    `internal`: Cidermill itself asks, and may submit what nobody else may.

    Raises InvalidParameters, NotFound, CannotFit, IdempotencyMismatch, and Forbidden for what the owner's key may not.
    """
    known = _known(session, submissions, owner)
    intake = Intake(session, ANYONE if internal else holder(session, owner), internal=internal)
    rows, answers = [], []
    for submission in submissions:
        before = known.get(submission.idempotency_key or "")
        if before is not None:
            answers.append(_same(before, submission))
            continue
        row = intake.row(submission, owner)
        rows.append(row)
        answers.append(Submitted(row["id"], row["kind"], JobState.QUEUED))
    return Prepared(rows, answers)


def queue(session: Session, prepared: Prepared) -> list[Submitted]:
    """Queue what was prepared, answered in order.

    Raises IntegrityError when another transaction has just taken one of the keys: preparing anew finds those jobs.
    """
    if prepared.rows:
        state.submit(session, prepared.rows)
    return prepared.answers


def _known(session: Session, submissions: Sequence[Submission], owner: str) -> dict[str, Job]:
    keys = [s.idempotency_key for s in submissions if s.idempotency_key is not None]
    if not keys:
        return {}
    found = session.scalars(select(Job).where(Job.owner == owner, Job.idempotency_key.in_(keys)))
    return {job.idempotency_key or "": job for job in found}


def _same(job: Job, submission: Submission) -> Submitted:
    if job.request_digest != submission.digest():
        raise IdempotencyMismatch(
            f"The Idempotency-Key {submission.idempotency_key!r} belongs to another request",
            f"job {job.id} was submitted under it with other parameters",
            "use a new key for a new job, or send the same request again",
            job_id=job.id,
        )
    return Submitted(job.id, job.kind, job.state, fresh=False)
