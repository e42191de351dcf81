"""Warm dispatch: from submit to the attempt running, a ready run, an idle system; and what idling costs."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import redis
from sqlalchemy import select

from shared.tables import Attempt, Job
from tests.load.figure import Figure, percentile
from tests.stack import Stack, running

_JOBS = 200
_GAP = 0.05
_IDLE_SECONDS = 20.0


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder), runtimes=_FIVE) as stack:
        waits = _waits(stack)
        yield Figure("warm dispatch p50", percentile(waits, 50) * 1000, "ms", 15, "less", f"{_JOBS} jobs, SQLite")
        yield Figure("warm dispatch p95", percentile(waits, 95) * 1000, "ms", 50, "less", f"{_JOBS} jobs, SQLite")
        yield Figure("idle Redis commands", _idle_commands(stack), "1/s", 20, "less", "five lanes and the scheduler")


#: Every runtime a machine without a GPU can offer.
_FIVE = '["echo","llama-cpp","mlx-lm","whisper","store"]'


def _waits(stack: Stack) -> list[float]:
    """Seconds from the job's row to its attempt's start, both by the database's clock."""
    stack.wait(stack.submit("inference", model="echo", prompt="warm up", stream=False))
    ids = []
    for _ in range(_JOBS):
        ids.append(stack.submit("inference", model="echo", prompt="hello", stream=False))
        stack.wait(ids[-1])
        time.sleep(_GAP)
    with stack.database.read() as session:
        rows = session.execute(
            select(Attempt.started_at - Job.created_at).join(Job, Job.id == Attempt.job_id).where(Job.id.in_(ids))
        ).scalars()
        return sorted(float(wait) for wait in rows)


def _idle_commands(stack: Stack) -> float:
    with redis.Redis.from_url(stack.valkey.url) as client:
        before, began = _commands(client), time.monotonic()
        time.sleep(_IDLE_SECONDS)
        return (_commands(client) - before) / (time.monotonic() - began)


def _commands(client: redis.Redis) -> int:
    """Commands the server has run so far, those inside scripts included."""
    return sum(int(stat["calls"]) for stat in client.info("commandstats").values())
