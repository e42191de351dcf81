"""Streams of events that outlast a database which is away."""

from __future__ import annotations

import asyncio

import pytest
from sqlalchemy.exc import OperationalError

from api import lasting as lasting_module
from api.events import Place
from api.lasting import Pages, lasting
from shared.tables import Event
from tests.api.fleet import Fleet
from tests.api.served import Served, no_jobs
from tests.api.streams import following, until
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lasting_module, "_PAUSE", 0.01)


def test_pages_go_on_after_the_last_that_was_told(door: Served) -> None:
    places = []

    async def pages(place: Place) -> Pages:
        places.append(place.after)
        yield [Event(seq=4 + len(places))]
        if len(places) < 3:
            raise OperationalError("select", {}, Exception("gone"))

    async def told() -> list[list[int]]:
        return [[event.seq for event in page] async for page in lasting(door.parts.feed, 4, pages)]

    assert (asyncio.run(told()), places) == ([[5], [], [6], [], [7]], [4, 5, 6])


def test_a_job_is_followed_past_a_database_that_is_away(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    with following(door, f"/v1/jobs/{ref.job_id}/events") as stream:
        until(stream, "job.running")
        with no_jobs(door):
            eventually(lambda: not door.parts.feed._followers)
        fleet.finish(ref, result={})
        assert [event.name for event in until(stream, "job.succeeded") if event.name != "job.progress"] == [
            "job.succeeded"
        ]
