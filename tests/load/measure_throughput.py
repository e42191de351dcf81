"""How many complete jobs a second pass through the queue, beside the raw library and a peer in the same run."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import func, select

from shared.tables import Job
from shared.vocabulary import JobState
from tests.load.figure import Figure
from tests.load.peers import celery_rate, dramatiq_rate
from tests.postgres import start_postgres
from tests.stack import Stack, running
from tests.waiting import eventually

_JOBS = 3000
_BULK = 500


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stack:
        submitted, completed = _rates(stack)
        yield Figure("bulk submit, SQLite", submitted, "jobs/s", 2000)
        yield Figure("complete jobs, SQLite", completed, "jobs/s", 250, note=f"{_JOBS} echo jobs end to end")
    server = start_postgres(durable=True)
    try:
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), server.create("ours")) as stack:
            submitted, completed = _rates(stack)
        yield Figure("bulk submit, PostgreSQL", submitted, "jobs/s")
        yield Figure("complete jobs, PostgreSQL", completed, "jobs/s", 150, note=f"{_JOBS} echo jobs end to end")
        yield Figure("peer: Celery, Redis, PostgreSQL results", celery_rate(_JOBS, server.create("peer")), "tasks/s")
    finally:
        server.remove()
    yield Figure("raw: Dramatiq no-op", dramatiq_rate(_JOBS), "messages/s", note="no row, no slot, no result")


def _rates(stack: Stack) -> tuple[float, float]:
    """Jobs a second accepted in bulk, and carried to the end, from the first submit to the last result."""
    stack.wait(stack.submit("inference", model="echo", prompt="warm up", stream=False))
    job = {"kind": "inference", "params": {"model": "echo", "prompt": "hello", "stream": False}}
    began = time.monotonic()
    for _ in range(_JOBS // _BULK):
        stack.post("/v1/jobs/bulk", {"jobs": [job] * _BULK})
    submitted = time.monotonic() - began
    eventually(lambda: _done(stack) >= _JOBS + 1, 180.0)
    return _JOBS / submitted, _JOBS / (time.monotonic() - began)


def _done(stack: Stack) -> int:
    time.sleep(0.05)
    with stack.database.read() as session:
        query = select(func.count()).select_from(Job).where(Job.state == JobState.SUCCEEDED)
        return int(session.scalar(query) or 0)
