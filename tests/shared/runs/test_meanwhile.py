"""What others did to a run since a session saw it counts when that session changes it. Only PostgreSQL lets them."""

from __future__ import annotations

import pytest

from shared.errors import Problem
from shared.protocol import RunEvent
from shared.runs import state as runs
from shared.tables import Run
from tests.fleet import RUN, WORKER, Fleet


@pytest.fixture
def database_url(postgres_url: str) -> str:
    return postgres_url


def test_a_run_that_a_worker_has_just_taken_is_not_thought_unloaded(fleet: Fleet) -> None:
    fleet.add_host()
    fleet.create_run()
    fleet.place(need=40)
    with fleet.database.write() as session:
        seen = session.get_one(Run, RUN)
        assert seen.state == "pending"
        fleet.tend()
        assert runs.request_stop(session, RUN, "somebody asked for it") == "stopping"
    run = fleet.run()
    assert (run.state, run.memory_held, run.worker) == ("stopping", 40, WORKER)


def test_a_run_that_has_just_failed_stays_failed(fleet: Fleet) -> None:
    fleet.add_host()
    fleet.ready_run()
    with fleet.database.write() as session:
        seen = session.get_one(Run, RUN)
        assert seen.state == "ready"
        fleet.report(RunEvent.FAILED, error=Problem(code="engine_failed", what="It ended"))
        assert runs.request_stop(session, RUN, "somebody asked for it") == "failed"
    assert fleet.run().state == "failed"
