"""The peer's application: one task that does nothing, results in a database."""

from __future__ import annotations

import os
import time

from celery import Celery
from celery.backends.database.models import Task
from sqlalchemy import create_engine, func, select

app = Celery(broker=os.environ["PEER_BROKER"], backend="db+" + os.environ["PEER_RESULTS"])
app.conf.update(task_acks_late=True, broker_connection_retry_on_startup=True)


@app.task
def nothing() -> int:
    return 1


_engine = create_engine(os.environ["PEER_RESULTS"])


def finished() -> int:
    """Results in the database so far."""
    time.sleep(0.05)
    with _engine.connect() as connection:
        query = select(func.count()).select_from(Task.__table__).where(Task.__table__.c.status == "SUCCESS")
        return int(connection.scalar(query) or 0)
