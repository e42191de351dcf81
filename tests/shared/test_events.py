"""Events: in order, with the change that made them, to be read from anywhere."""

from __future__ import annotations

import pytest
from sqlalchemy.orm import Session

from shared import events
from shared.db import Database
from shared.events import NewEvent
from tests.fleet import Fleet


def said(job_id: str, number: int) -> NewEvent:
    return {"type": "job.log", "job_id": job_id, "data": {"number": number}}


def test_events_keep_their_order_and_what_they_are_about(fleet: Fleet) -> None:
    fleet.do(events.record, [said("a", 1), {"type": "run.ready", "run_id": "r", "host": "h", "data": {}}, said("b", 2)])
    with fleet.database.read() as session:
        rows = events.read_after(session, 0)
    assert [(row.type, row.job_id, row.run_id, row.host) for row in rows] == [
        ("job.log", "a", None, None),
        ("run.ready", None, "r", "h"),
        ("job.log", "b", None, None),
    ]
    assert {row.at for row in rows} == {fleet.now}
    assert [row.seq for row in rows] == sorted(row.seq for row in rows)


def test_many_events_at_once_keep_their_order(fleet: Fleet) -> None:
    fleet.do(events.record, [said("a", number) for number in range(1000)])
    with fleet.database.read() as session:
        rows = events.read_after(session, 0, limit=2000)
    assert [row.data["number"] for row in rows] == list(range(1000))


def test_nothing_recorded_is_nothing(fleet: Fleet) -> None:
    fleet.do(events.record, [])
    assert fleet.events() == []


def test_a_reader_goes_on_where_it_stopped(fleet: Fleet) -> None:
    fleet.do(events.record, [said("a", number) for number in range(5)])
    with fleet.database.read() as session:
        first = events.read_after(session, 0, limit=2)
        rest = events.read_after(session, first[-1].seq)
    assert [row.data["number"] for row in first + rest] == [0, 1, 2, 3, 4]


def test_a_reader_hears_only_of_what_it_asked_for(fleet: Fleet) -> None:
    other: NewEvent = {"type": "run.ready", "run_id": "r", "data": {}}
    fleet.do(events.record, [said("a", 1), said("b", 2), other])
    with fleet.database.read() as session:
        assert [row.job_id for row in events.read_after(session, 0, job_id="b")] == ["b"]
        assert [row.run_id for row in events.read_after(session, 0, run_id="r")] == ["r"]
        assert [row.type for row in events.read_after(session, 0, types=["run.ready"])] == ["run.ready"]


def test_what_is_rolled_back_never_happened(database: Database) -> None:
    def fail(session: Session) -> None:
        events.record(session, [said("a", 1)])
        raise RuntimeError

    def attempt() -> None:
        with database.write() as session:
            fail(session)

    with pytest.raises(RuntimeError):
        attempt()
    with database.read() as session:
        assert events.read_after(session, 0) == []


def test_the_time_of_an_event_is_the_database_s_own(database: Database) -> None:
    with database.write() as session:
        events.record(session, [said("a", 1)])
    with database.read() as session:
        [row] = events.read_after(session, 0)
    assert row.at > 1_700_000_000
