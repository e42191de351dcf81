"""Requests over several hosts: shared out, kept together, tried again, told when to come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
from sqlalchemy import Connection, event, select

from api.gateway import outlook as outlook_module
from api.gateway import seats
from api.gateway.outlook import Wanted
from api.gateway.routing import Load
from shared.db import Database, clock_time
from shared.runs import service
from shared.tables import Model, Run
from shared.vocabulary import Capability
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually
from workers.process import RunProcess

_CHAT = "/v1/chat/completions"


def chat(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "echo", "messages": [{"role": "user", "content": text}], **more}


def slow(text: str = "x", tokens: int = 100_000) -> dict[str, Any]:
    return chat(text, stream=True, echo={"tokens": tokens, "itl_ms": 20})


class Looks:
    """Looks at runs: those that have read what there is, and wait to go on with it."""

    def __init__(self) -> None:
        self.go_on = threading.Event()
        self.go_on.set()
        self.waiting = 0

    def __call__(self, connection: Connection, cursor: object, statement: str, *_: object) -> None:
        if "FROM runs" in statement and not connection.get_execution_options().get("cidermill_write"):
            self.waiting += not self.go_on.is_set()
            self.go_on.wait(60)


@contextmanager
def slow_looks(database: Database) -> Iterator[Looks]:
    looks = Looks()
    event.listen(database.engine, "after_cursor_execute", looks)
    try:
        yield looks
    finally:
        looks.go_on.set()


def test_a_run_of_another_host_answers_through_its_agent(door: Served, mini: Fleet, engines: list[RunProcess]) -> None:
    mini.ready_run(engines[0].endpoint.url)
    assert door.post(_CHAT, chat("hello there")).json()["choices"][0]["message"]["content"] == "hello there"
    assert "data: [DONE]" in door.post(_CHAT, chat("hello there", stream=True)).text


def test_a_host_that_lets_nobody_in_is_told(door: Served, fleet: Fleet, engines: list[RunProcess]) -> None:
    closed = Fleet(door, "closed")
    closed.register(agent="agent-3")
    closed.ready_run(engines[0].endpoint.url)
    answer = door.post(_CHAT, chat("x"))
    assert (answer.status_code, "out of reach" in answer.json()["error"]["message"]) == (503, True)


def test_a_run_that_is_gone_is_replaced_by_another(
    door: Served, fleet: Fleet, mini: Fleet, engines: list[RunProcess]
) -> None:
    fleet.ready_run(engines[0].endpoint.url)
    mini.ready_run(engines[1].endpoint.url)
    engines[0].stop()
    for stream in (False, True):
        for number in range(3):
            assert door.post(_CHAT, chat(f"hello {number}", stream=stream)).status_code == 200


def test_a_run_that_dies_in_mid_stream_ends_it_with_an_error(
    door: Served, fleet: Fleet, mini: Fleet, engines: list[RunProcess]
) -> None:
    fleet.ready_run(engines[0].endpoint.url)
    mini.ready_run(engines[1].endpoint.url)
    answer = door.post(_CHAT, chat("x", stream=True, echo={"tokens": 9, "fail": "crash", "fail_after": 2}))
    assert answer.status_code == 200
    assert '"code":"unavailable"' in answer.text.splitlines()[-2]


def test_turns_of_a_conversation_go_to_the_same_run(
    door: Served, fleet: Fleet, mini: Fleet, engines: list[RunProcess]
) -> None:
    ready = fleet.ready_run(engines[0].endpoint.url), mini.ready_run(engines[1].endpoint.url)
    first, second = sorted(ref.run_id for ref in ready)
    found = door.app.state.seats
    # Of runs that are alike the first is chosen; it is busier only while the talk begins.
    found._tenancy.loads[first] = Load(1)
    for _ in range(4):
        assert door.post(_CHAT, chat("the same beginning")).status_code == 200
        assert set(found._affinity._runs.values()) == {second}
        found._tenancy.loads[first] = Load()


def test_twenty_cold_requests_start_one_run(door: Served, fleet: Fleet, engines: list[RunProcess]) -> None:
    answers: list[httpx2.Response] = []
    asking = [
        threading.Thread(target=lambda: answers.append(door.post(_CHAT, chat("hi", stream=True)))) for _ in range(20)
    ]
    for thread in asking:
        thread.start()
    eventually(lambda: door.get("/v1/runs").json()["data"])
    [run] = door.get("/v1/runs").json()["data"]
    fleet.make_ready(run["id"], engines[0].endpoint.url)
    for thread in asking:
        thread.join()
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len(door.get("/v1/runs").json()["data"]) == 1


def test_a_run_is_not_given_up_by_who_looked_before_it_was_there(
    door: Served, fleet: Fleet, engines: list[RunProcess], monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long it takes, what is asked for stays in demand.
    monkeypatch.setattr(outlook_module, "_DEMAND", 600.0)
    outlook, wanted = door.app.state.seats._outlook, Wanted("echo", Capability.GENERATE)
    answers: list[httpx2.Response] = []
    first, second = (threading.Thread(target=lambda: answers.append(door.post(_CHAT, chat("hi")))) for _ in range(2))
    with slow_looks(door.database) as looks:
        with door.database.write() as session:
            session.scalars(select(Model).where(Model.name == "echo").with_for_update()).one()
            first.start()
            eventually(lambda: wanted in outlook._views and wanted not in outlook._looking)
            # It has found no run and waits for its turn to start one. Now looks take long: the second one's, and the
            # one that keeps what is known fresh.
            looks.go_on.clear()
            second.start()
            eventually(lambda: looks.waiting == 2)
        started = time.monotonic()
        eventually(lambda: outlook._asked[wanted] > started)
    [run] = door.get("/v1/runs").json()["data"]
    fleet.make_ready(run["id"], engines[0].endpoint.url)
    first.join()
    second.join()
    assert [answer.status_code for answer in answers] == [200, 200], [answer.text for answer in answers]


def test_no_room_in_the_fleet_says_when_to_come_back(door: Served, fleet: Fleet) -> None:
    run_id = door.post("/v1/runs", {"model": "echo"}).json()["id"]
    with door.database.write() as session:
        reason = {"code": "no_memory", "sentence": "studio has 1 GiB free, 2 GiB are needed", "seconds": 90.0}
        session.get_one(Run, run_id).blocked_by = reason
    answer = door.post(_CHAT, chat("x"))
    assert (answer.status_code, answer.headers["Retry-After"], answer.headers["x-should-retry"]) == (429, "90", "true")
    assert "1 GiB free" in answer.json()["error"]["message"]


def test_nobody_waits_for_ever_for_a_run(door: Served, fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seats, "_PATIENCE", 0.0)
    answer = door.post(_CHAT, chat("x"))
    assert (answer.status_code, "in time" in answer.json()["error"]["message"]) == (503, True)


def test_runs_that_are_all_busy_say_when_to_come_back(door: Served, fleet: Fleet) -> None:
    run_id = fleet.ready_run().run_id
    # 30 requests of 20 seconds each on four slots: the next would wait for 27 / 4 of them, and a minute is allowed.
    # Of longer waits nobody is told: OpenAI's clients would not come back.
    for load, seconds in ((Load(30, 20.0), "75"), (Load(400, 30.0), "120")):
        door.app.state.seats._tenancy.loads[run_id] = load
        answer = door.post(_CHAT, chat("x"))
        assert (answer.status_code, answer.headers["Retry-After"]) == (429, seconds)
    assert "All runs of echo are busy" in answer.json()["error"]["message"]


def test_slots_of_people_are_told_to_the_host(door: Served, fleet: Fleet, engines: list[RunProcess]) -> None:
    ref = fleet.ready_run(engines[0].endpoint.url)
    with door.client.stream("POST", _CHAT, json=slow()) as answer:
        # Kept, because a reader that is dropped closes the answer.
        lines = answer.iter_lines()
        next(lines)
        eventually(lambda: fleet.sync().attended == {ref.run_id: 2})
    # One is left to whoever asks next; that is written once.
    eventually(lambda: fleet.sync().attended == {ref.run_id: 1})
    with door.database.write() as session:
        service.attend(session, {ref.run_id: 0})
    assert fleet.sync().attended == {}


def test_slots_of_people_whose_front_door_died_are_free_again(door: Served, fleet: Fleet, engine: str) -> None:
    ref = fleet.ready_run(engine)
    for ago, told in ((0.0, {ref.run_id: 7}), (60.0, {})):
        with door.database.write() as session:
            service.attend(session, {ref.run_id: 7})
            session.get_one(Run, ref.run_id).last_used_at = clock_time(session) - ago
        assert fleet.sync().attended == told
