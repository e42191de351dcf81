"""Finished pieces of jobs: a job may have any number of them, so they are forgotten some at a time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from shared.tables import Result

#: Rows in one transaction, so that nobody waits long for the database.
_AT_ONCE = 2000


def forget(session: Session, job_ids: Sequence[str]) -> bool:
    """Forget as many as one transaction should; may there be more?"""
    piece = (Result.job_id, Result.index)
    some = select(*piece).where(Result.job_id.in_(job_ids)).limit(_AT_ONCE)
    return len(session.execute(delete(Result).where(tuple_(*piece).in_(some)).returning(*piece)).all()) == _AT_ONCE
