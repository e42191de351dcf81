"""How long a run is held for the next request."""

from __future__ import annotations

import time

from api.gateway import tenancy
from shared.tables import Run
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.api.test_gateway import chat
from tests.waiting import eventually


def test_a_run_stays_held_a_moment_for_the_next_request(door: Served, fleet: Fleet, engine: str) -> None:
    run_id = fleet.ready_run(engine).run_id

    def last_used() -> float:
        with door.database.read() as session:
            return session.get_one(Run, run_id).last_used_at or 0.0

    began = time.time()
    assert door.post("/v1/chat/completions", chat("hi")).status_code == 200
    eventually(lambda: last_used() < time.time())
    assert last_used() >= began + tenancy._LINGER
