"""What the gateway looks at again and again: only what there is, and the newest of it."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count

import pytest
from sqlalchemy.orm import Session

from api.bell import Bell
from api.gateway import outlook as outlook_module
from api.gateway.outlook import Outlook, View, Wanted
from shared.db import Database
from shared.vocabulary import Capability
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.waiting import eventually

_NOBODY = Wanted("nobody", Capability.GENERATE)
_ECHO = Wanted("echo", Capability.GENERATE)


def test_the_name_of_nothing_is_not_looked_for_again(door: Served, fleet: Fleet) -> None:
    outlook = door.app.state.seats._outlook
    asked = {"model": "nobody", "messages": [{"role": "user", "content": "hi"}]}
    assert door.post("/v1/chat/completions", asked).status_code == 404
    assert _NOBODY not in outlook._asked
    # As a model that was there when it was asked for, a while ago.
    outlook._asked[_NOBODY] = time.monotonic() + 1000
    eventually(lambda: _NOBODY not in outlook._asked)


def test_slots_that_jobs_hold_are_seen(door: Served, fleet: Fleet) -> None:
    fleet.running_job()
    [run] = asyncio.run(Outlook(door.database, door.parts.settings, Bell()).look(_ECHO)).runs
    assert (run.busy, run.slots) == (1, 4)


class _HeldUp(Database):
    """The first who has read something comes back with it when `go_on` is set."""

    def __init__(self, database_url: str) -> None:
        super().__init__(database_url)
        self._looks = count(1)
        self.has_read, self.go_on, self.third = threading.Event(), threading.Event(), threading.Event()

    @contextmanager
    def read(self) -> Iterator[Session]:
        number = next(self._looks)
        if number == 3:
            self.third.set()
        with super().read() as session:
            yield session
        if number == 1:
            self.has_read.set()
            assert self.go_on.wait(30)


def test_an_older_look_does_not_take_the_place_of_a_newer_one(
    door: Served, fleet: Fleet, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However long it takes, what is asked for stays in demand.
    monkeypatch.setattr(outlook_module, "_DEMAND", 600.0)

    async def looked(outlook: Outlook, database: _HeldUp) -> tuple[View, View]:
        outlook.glance(_ECHO)
        keeping = asyncio.create_task(outlook.run())
        assert await asyncio.to_thread(database.has_read.wait, 30)
        await asyncio.to_thread(fleet.ready_run)
        newer = await outlook.look(_ECHO)
        database.go_on.set()
        # The third begins when what the first has read is dealt with.
        assert await asyncio.to_thread(database.third.wait, 30)
        kept = outlook._views[_ECHO]
        keeping.cancel()
        return newer, kept

    with closing(_HeldUp(database_url)) as database:
        newer, kept = asyncio.run(looked(Outlook(database, door.parts.settings, Bell()), database))
    assert [run.ready for run in kept.runs] == [True]
    assert kept.at >= newer.at
