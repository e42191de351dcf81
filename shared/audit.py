"""The log of what was done with an admin's rights."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared.db import clock_time
from shared.keys import Caller, hidden
from shared.tables import Audit

DONE = "done"


def record(session: Session, who: Caller, address: str, action: str, path: str, outcome: str = DONE) -> None:
    """Note that somebody did something, or was refused (`outcome` is the error's code then)."""
    entry = Audit(
        at=clock_time(session), key=who.id, name=who.name, address=address[:64],
        action=action[:120], path=hidden(path)[:2000], outcome=outcome[:40],
    )  # fmt: skip
    session.add(entry)


def entries(session: Session, *, before: int | None = None, key: str | None = None, limit: int = 50) -> Sequence[Audit]:
    """The newest first, older than `before`."""
    query = select(Audit).order_by(Audit.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(Audit.seq < before)
    if key is not None:
        query = query.where(Audit.key == key)
    return session.scalars(query).all()
