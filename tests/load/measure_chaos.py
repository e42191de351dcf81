"""Two hundred jobs of real processes through kills, on both databases: what was lost, what counted twice."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.e2e.chaos import Chaos, verify
from tests.load.figure import Figure
from tests.postgres import start_postgres
from tests.stack import running

_JOBS, _FAULTS, _SEED = 200, 20, 7


def figures() -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as stack:
        storm = Chaos(stack, _SEED)
        counts = verify(stack, storm.storm(_JOBS, _FAULTS))
    note = f"{_FAULTS} faults, {counts['attempts']} attempts"
    yield Figure("right results through kills, SQLite", counts["jobs"], "jobs", _JOBS, note=note)
    server = start_postgres(durable=True)

    def restart() -> None:
        server.kill()
        server.start()

    try:
        with tempfile.TemporaryDirectory() as folder, running(Path(folder), server.create("chaos")) as stack:
            storm = Chaos(stack, _SEED, {"restart PostgreSQL": restart})
            counts = verify(stack, storm.storm(_JOBS, _FAULTS))
    finally:
        server.remove()
    note = f"{_FAULTS} faults, {counts['attempts']} attempts, the database restarted"
    yield Figure("right results through kills, PostgreSQL", counts["jobs"], "jobs", _JOBS, note=note)
