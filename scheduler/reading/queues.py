"""Parts of the queue that have a row, with how many of their jobs are at work where that matters."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from scheduler.views import QueueView
from shared.queues import running
from shared.tables import Queue

_queue = Queue.__table__.c
_QUEUES = select(_queue.name, _queue.weight, _queue.stride_pass, _queue.max_running, _queue.paused_at)


def read_queues(session: Session) -> dict[str, QueueView]:
    """By name; jobs at work are counted in parts with a limit only."""
    rows = session.connection().execute(_QUEUES).all()
    at_work = running(session, [row.name for row in rows if row.max_running is not None])
    return {
        row.name: QueueView(
            row.name, row.weight, row.stride_pass, row.max_running, at_work.get(row.name, 0), row.paused_at is not None
        )
        for row in rows
    }
