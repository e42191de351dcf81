"""Clients that leave, whenever they like: nothing goes on for them, and nothing of theirs is left."""

from __future__ import annotations

import asyncio
import gc
import json
import threading
from dataclasses import dataclass

import psutil
import pytest

from tests.api.fleet import Fleet
from tests.api.security.wire import request, wire
from tests.api.served import Served
from tests.api.test_gateway import chat
from tests.load.leaving import LATEST, answered, leave_all
from tests.waiting import eventually, soon
from workers.process import RunProcess

_AT_ONCE, _SLOTS = 8, 8


@dataclass(frozen=True)
class Held:
    """What the process holds for requests: tasks, connections of both sides, threads."""

    tasks: int
    connections: int
    threads: int

    @classmethod
    def now(cls, door: Served) -> Held:
        gc.collect()
        loop = door.parts.feed._poked._loop
        assert loop is not None
        open_now = psutil.Process().net_connections("tcp")
        return cls(
            tasks=len(asyncio.all_tasks(loop)),
            connections=sum(one.status == psutil.CONN_ESTABLISHED for one in open_now),
            threads=threading.active_count(),
        )

    def back_to(self, before: Held) -> bool:
        """Nothing more than before; threads of pools stay, and so do idle connections to engines."""
        kept = self.connections <= before.connections + _SLOTS and self.threads <= before.threads + 12
        return self.tasks <= before.tasks and kept


def test_those_who_leave_while_a_run_is_started_leave_only_the_run(door: Served, fleet: Fleet) -> None:
    before = Held.now(door)
    with wire(door) as patient:
        patient.sendall(request("/v1/chat/completions", json.dumps(chat("x")).encode()))
        asyncio.run(leave_all(door.url, ["echo"], 20, _AT_ONCE, latest=soon(LATEST)))
        # The others may all have left before they were heard.
        eventually(lambda: door.get("/v1/runs").json()["data"])
    eventually(lambda: Held.now(door).back_to(before))
    assert len(door.get("/v1/runs").json()["data"]) == 1
    assert not any(load.requests for load in door.app.state.seats._tenancy.loads.values())


def test_those_who_leave_an_answer_leave_nothing(
    door: Served, fleet: Fleet, mini: Fleet, engines: list[RunProcess]
) -> None:
    fleet.ready_run(engines[0].endpoint.url)
    mini.ready_run(engines[1].endpoint.url)
    loads = door.app.state.seats._tenancy.loads
    before = Held.now(door)
    asyncio.run(leave_all(door.url, ["echo@studio", "echo@mini"], 60, _AT_ONCE))
    eventually(lambda: not any(load.requests for load in loads.values()))
    eventually(lambda: Held.now(door).back_to(before))

    async def all_slots() -> None:
        await asyncio.gather(*(answered(door.url, "echo") for _ in range(_SLOTS)))

    # Every slot is free again: else one of these would wait for ever.
    asyncio.run(asyncio.wait_for(all_slots(), 60))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
def test_who_leaves_after_asking_twice_leaves_nothing(door: Served, fleet: Fleet, engine: str, stream: bool) -> None:
    fleet.ready_run(engine)
    loads = door.app.state.seats._tenancy.loads
    body = json.dumps(chat("x" * 200, stream=stream, echo={"tokens": 100_000, "itl_ms": 5})).encode()
    with wire(door) as connection:
        connection.sendall(request("/v1/chat/completions", body) + request("/v1/chat/completions", body))
        eventually(lambda: any(load.requests for load in loads.values()))
    eventually(lambda: not any(load.requests for load in loads.values()))
