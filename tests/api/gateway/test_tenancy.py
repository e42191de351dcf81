"""How long a run is held for the next request, and what is known of those before it."""

from __future__ import annotations

import time
from contextlib import closing
from types import SimpleNamespace

import pytest

from api.gateway import tenancy
from api.gateway.routing import Load
from api.gateway.tenancy import Tenancy
from shared.db import Database
from shared.runs import service
from shared.tables import Run
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.api.test_gateway import chat
from tests.scheduler.rows import add_run
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


def test_the_host_leaves_a_place_to_whoever_asks_next(door: Served, fleet: Fleet, engine: str) -> None:
    run_id = fleet.ready_run(engine).run_id
    assert door.post("/v1/chat/completions", chat("hi")).status_code == 200
    eventually(lambda: fleet.sync().attended == {run_id: 1})


@pytest.mark.parametrize(("renewed_ago", "goes"), [(0.5, False), (1.5, True)])
def test_a_run_that_another_front_door_holds_stays_held(database_url: str, renewed_ago: float, goes: bool) -> None:
    database = Database(database_url, clock=lambda: 1000.0)
    with closing(database), database.write() as session:
        add_run(session, "r", last_used_at=1000.0 + service.HOLD - renewed_ago)
        service.let_go(session, ["r"])
        session.expire_all()
        assert (session.get_one(Run, "r").last_used_at == 1000.0) == goes


def test_the_seconds_of_requests_are_measured(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 10.0, 10.0, 30.0])
    monkeypatch.setattr(tenancy, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with closing(Database(database_url)) as database:
        counted = Tenancy(database)
        for seconds in (10.0, 11.0):
            with counted.taken("r"):
                assert counted.loads["r"].requests == 1
            assert counted.loads["r"] == Load(0, seconds)


def test_the_pace_of_a_run_that_nobody_uses_is_forgotten(
    door: Served, fleet: Fleet, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tenancy, "_MEMORY", 0.0)
    fleet.ready_run(engine)
    assert door.post("/v1/chat/completions", chat("hi")).status_code == 200
    eventually(lambda: not door.app.state.seats._tenancy.loads)
