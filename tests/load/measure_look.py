"""How long the scheduler looks at a long queue and plans: anew, once a second, and after one job has come."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from sqlalchemy import text

from scheduler.plan import plan
from scheduler.reading.snapshot import Reader
from shared.db import Database
from shared.schema import upgrade
from tests.load.figure import Figure
from tests.postgres import start_postgres
from tests.scheduler.rows import add_host, add_jobs, add_model, add_run

_WAITING = 100_000
_BULK = 5000
_KEYS = 20
_LOOKS = 20


def figures() -> Iterator[Figure]:
    with TemporaryDirectory() as folder:
        yield from _figures("SQLite", f"sqlite:///{Path(folder)}/queue.db")
    server = start_postgres()
    try:
        url = server.create("queue")
        # What it comes to with any statement that it was sent often enough: a plan without a look at the values.
        server.command("ALTER DATABASE queue SET plan_cache_mode = force_generic_plan")
        yield from _figures("PostgreSQL", url)
    finally:
        server.remove()


def _figures(name: str, url: str) -> Iterator[Figure]:
    database = Database(url)
    upgrade(database)
    _fill(database)
    if not database.sqlite:
        # What PostgreSQL itself does within a minute; without it, it takes a full table for an empty one.
        with database.write() as session:
            session.execute(text("ANALYZE"))
    reader = Reader()
    whole = [_look(database, reader, whole=True) for _ in range(_LOOKS)]
    one_more = [_after_one_job(database, reader) for _ in range(_LOOKS)]
    database.close()
    looks, plans = [look for look, _ in one_more], [plan for _, plan in one_more]
    queue = f"{_WAITING:,} jobs of {_KEYS} keys wait, {name}"
    yield Figure(f"a look after one job, {queue}", median(looks), "ms", 20, "less", f"worst {max(looks):.1f} ms")
    yield Figure(f"the plan after that look, {queue}", median(plans), "ms", 20, "less", f"worst {max(plans):.1f} ms")
    took = [look for look, _ in whole]
    yield Figure(f"a whole look, {queue}", median(took), "ms", note=f"worst {max(took):.1f} ms")


def _fill(database: Database) -> None:
    """Half of the jobs are of one key and come first."""
    with database.write() as session:
        for number in range(_KEYS):
            add_host(session, f"host{number}", 64)
            add_model(session, f"m{number}", 4, f"host{number}")
            add_run(session, f"r{number}", f"m{number}", f"host{number}")
    for bulk in range(_WAITING // _BULK):
        with database.write() as session:
            key = 0 if bulk * _BULK < _WAITING // 2 else bulk % _KEYS
            model = f"m{bulk % _KEYS}"
            add_jobs(session, _BULK, queue=f"key:k{key}", rank=2 + bulk % 3, model_id=model, model=model)


def _after_one_job(database: Database, reader: Reader) -> tuple[float, float]:
    with database.write() as session:
        add_jobs(session, 1, queue="key:late", rank=1, model_id="m1", model="m1")
    return _look(database, reader, whole=False)


def _look(database: Database, reader: Reader, *, whole: bool) -> tuple[float, float]:
    """Milliseconds of the look, and of the processor for the plan that the scheduler makes of it."""
    began = time.perf_counter()
    with database.read() as session:
        seen = reader.read(session, whole=whole)
    looked, planning = time.perf_counter(), time.process_time()
    plan(seen)
    return 1000 * (looked - began), 1000 * (time.process_time() - planning)
