"""What happened: one ordered, resumable stream, written in the transaction that made it happen."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypedDict

from sqlalchemy import insert, select
from sqlalchemy.orm import Session

from shared.db import now
from shared.tables import Event


class _Subject(TypedDict, total=False):
    job_id: str | None
    run_id: str | None
    host: str | None


class NewEvent(_Subject):
    type: str
    data: dict[str, Any]


_NOBODY: _Subject = {"job_id": None, "run_id": None, "host": None}


def record(session: Session, events: Iterable[NewEvent]) -> None:
    """Write events of this transaction, in order."""
    rows = [_NOBODY | event for event in events]
    if rows:
        # One prepared statement for every row: compiling one statement for many costs more than running it.
        session.connection().execute(insert(Event).values(at=now(session)), rows)


def read_after(session: Session, seq: int, limit: int = 500, *, job_id: str | None = None, run_id: str | None = None,
               types: Sequence[str] = (), until: int | None = None) -> list[Event]:  # fmt: skip
    """Events later than `seq` and no later than `until`, oldest first, of one job or run or of everything."""
    query = select(Event).where(Event.seq > seq).order_by(Event.seq).limit(limit)
    if until is not None:
        query = query.where(Event.seq <= until)
    if job_id is not None:
        query = query.where(Event.job_id == job_id)
    if run_id is not None:
        query = query.where(Event.run_id == run_id)
    if types:
        query = query.where(Event.type.in_(types))
    return list(session.scalars(query))
