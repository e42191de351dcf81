"""Real processes, real signals: nothing is lost, nothing counts twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.chaos import Chaos, verify
from tests.postgres import Postgres, start_postgres
from tests.stack import running

pytestmark = pytest.mark.e2e

_JOBS, _FAULTS = 200, 14


def test_two_hundred_jobs_survive_kills_and_a_wiped_valkey(tmp_path: Path) -> None:
    with running(tmp_path) as stack:
        storm = Chaos(stack, seed=1)
        ids = storm.storm(_JOBS, _FAULTS)
        assert set(storm.faults) <= set(storm.done)
        assert verify(stack, ids)["jobs"] == _JOBS


@pytest.mark.postgres
def test_two_hundred_jobs_survive_the_same_with_postgres_restarted(tmp_path: Path, postgres: Postgres) -> None:
    def restart() -> None:
        postgres.kill()
        postgres.start()

    with running(tmp_path, postgres.create("chaos")) as stack:
        storm = Chaos(stack, seed=2, more={"restart PostgreSQL": restart})
        ids = storm.storm(_JOBS, _FAULTS)
        assert set(storm.faults) <= set(storm.done)
        assert verify(stack, ids)["jobs"] == _JOBS


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    """A server of the test's own, to be killed; what it has confirmed it must keep."""
    server = start_postgres(durable=True)
    yield server
    server.remove()
