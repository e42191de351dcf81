"""The jobs of batches: which are not over, and what came of them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from api.batches.rows import parts_of
from shared.errors import Conflict
from shared.jobs import state
from shared.tables import Batch, Job, Result, is_failed_result, is_live_batch
from shared.vocabulary import FINAL_JOB_STATES


def working(session: Session) -> set[str]:
    """Which batches that are not over have jobs that are not.

    Asked each second: so all of them at once, without their jobs' ids, which are too many to be parameters.
    """
    job_id = _job_ids(session)
    left = select(Job.id).where(Job.id == job_id, Job.state.not_in(FINAL_JOB_STATES)).correlate(Batch)
    return set(session.scalars(select(Batch.id).where(is_live_batch, left.exists())))


def _job_ids(session: Session) -> ColumnElement[str]:
    """In a query of batches, the job of each of its parts."""
    if session.get_bind().dialect.name == "sqlite":
        part = func.json_each(Batch.parts).table_valued("value").c.value
        return func.json_extract(part, "$.job")
    part = func.json_array_elements(Batch.parts).table_valued("value", name="part").render_derived().c.value
    return part.op("->>")("job")


def unfinished(session: Session, row: Batch) -> list[str]:
    """Its jobs that are not over."""
    ids = [part.job for part in parts_of(row)]
    return list(session.scalars(select(Job.id).where(Job.id.in_(ids), Job.state.not_in(FINAL_JOB_STATES))))


def stop(session: Session, job_ids: Sequence[str]) -> None:
    """Cancel jobs; one that ended meanwhile is let be."""
    for job_id in job_ids:
        try:
            state.cancel(session, job_id)
        except Conflict:
            continue


def progress(session: Session, row: Batch) -> dict[str, int]:
    """How many lines were answered, and refused, so far."""
    if row.counts:
        return dict(row.counts)
    counted = select(func.count()).select_from(Result).where(Result.job_id.in_([part.job for part in parts_of(row)]))
    done, wrong = session.scalar(counted) or 0, session.scalar(counted.where(is_failed_result)) or 0
    return {"completed": done - wrong, "failed": wrong}
