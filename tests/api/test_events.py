"""Streams that a client can leave and come back to."""

from __future__ import annotations

import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, delete, text

from shared import events
from shared.db import Database
from shared.tables import Job, Run
from tests.api.fleet import Fleet
from tests.api.served import Served, serve
from tests.api.streams import following, read, until
from tests.postgres import Postgres
from tests.waiting import eventually


def names(door: Served, path: str, **headers: str) -> list[str]:
    with following(door, path, **headers) as stream:
        return [event.name for event in stream]


def test_what_happened_to_a_job_is_told_from_the_beginning_and_ends_with_it(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    with following(door, f"/v1/jobs/{ref.job_id}/events") as stream:
        assert [e.name for e in until(stream, "job.running")] == ["job.queued", "job.assigned", "job.running"]
        fleet.call("/output", {**ref.model_dump(), "worker": fleet.worker, "text": "Hel"})
        assert until(stream, "job.output")[-1].data["data"] == {"attempt": 1, "text": "Hel"}
        fleet.sync(attempts=[{**ref.model_dump(), "worker": fleet.worker, "progress": {"done": 1, "total": 2}}])
        progress = until(stream, "job.progress")[-1]
        while (progress.data["progress"] or {}).get("done") != 1:
            progress = until(stream, "job.progress")[-1]
        assert progress.number is None
        fleet.finish(ref, result={})
        until(stream, "job.succeeded")
        assert [event for event in stream if event.name != "job.progress"] == []


def test_a_job_that_ends_while_others_write_ends_with_its_last_event(door: Served, fleet: Fleet) -> None:
    if door.database.sqlite:
        pytest.skip("SQLite has one writer at a time")
    ref = fleet.running_job()
    with following(door, f"/v1/jobs/{ref.job_id}/events") as stream, door.database.write() as other:
        until(stream, "job.running")
        events.record(other, [{"type": "test.slow", "data": {}}])
        fleet.finish(ref, result={})
        until(stream, "job.succeeded")


def test_a_client_comes_back_where_it_left(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    path = f"/v1/jobs/{ref.job_id}/events"
    with following(door, path) as stream:
        assigned = until(stream, "job.assigned")[-1]
    fleet.finish(ref, result={})
    assert names(door, path, Last_Event_ID=str(assigned.number)) == ["job.running", "job.succeeded"]
    assert names(door, f"{path}?after={assigned.number}") == ["job.running", "job.succeeded"]


def test_a_browser_is_told_not_to_come_back_to_a_job_that_is_over(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    fleet.finish(ref, result={})
    path = f"/v1/jobs/{ref.job_id}/events"
    with following(door, path) as stream:
        last = until(stream, "job.succeeded")[-1]
    assert door.get(path, headers={"Last-Event-ID": str(last.number)}).status_code == 204


def test_without_following_a_stream_ends_with_what_there_is(door: Served) -> None:
    job_id = door.submit()
    assert names(door, f"/v1/jobs/{job_id}/events?follow=false") == ["job.queued"]
    assert "job.queued" in names(door, "/v1/events?follow=false")
    assert names(door, f"/v1/events?follow=false&type=job.queued&job={job_id}") == ["job.queued"]


def test_everything_is_told_from_now_on(door: Served) -> None:
    before = door.submit()
    with following(door, "/v1/events?type=job.queued") as stream:
        eventually(lambda: door.parts.feed._horizon is not None)
        after = door.submit()
        first = next(stream)
    assert (first.name, first.data["job_id"]) == ("job.queued", after)
    with following(door, "/v1/events?after=0&type=job.queued") as stream:
        assert next(stream).data["job_id"] == before


def test_followers_are_woken_by_what_other_processes_write(door: Served, database_url: str) -> None:
    scheduler = Database(database_url)
    with following(door, "/v1/events") as stream:
        eventually(lambda: door.parts.feed._horizon is not None)
        with scheduler.write() as session:
            events.record(session, [{"type": "host.test", "host": "mini", "data": {"n": 1}}])
        assert until(stream, "host.test")[-1].data["data"] == {"n": 1}
    scheduler.close()


def test_many_events_come_in_order_and_each_once(door: Served) -> None:
    with door.database.write() as session:
        events.record(session, [{"type": "test.many", "data": {"n": n}} for n in range(1700)])
    seen = [event for event in _all(door) if event[0] == "test.many"]
    assert [n for _, n in seen] == list(range(1700))


def _all(door: Served) -> list[tuple[str, int]]:
    with following(door, "/v1/events?follow=false&after=0") as stream:
        return [(event.name, event.data["data"].get("n", -1)) for event in stream]


@pytest.mark.parametrize("number", ["yesterday", "9" * 19, "9" * 5000])
def test_a_number_that_is_none_is_refused(door: Served, number: str) -> None:
    answer = door.get("/v1/events?follow=false", headers={"Last-Event-ID": number})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


def test_a_client_that_goes_away_is_forgotten(door: Served) -> None:
    with following(door, "/v1/events"):
        eventually(lambda: door.parts.feed._followers == 1)
    eventually(lambda: door.parts.feed._followers == 0)


def test_logs_are_followed_until_the_job_is_over(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    said = {**ref.model_dump(), "worker": fleet.worker}
    fleet.call("/output", {**said, "log": ["one"]})
    with door.client.stream("GET", f"/v1/jobs/{ref.job_id}/logs?follow=true") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "one"
        fleet.call("/output", {**said, "log": ["two", "three"]})
        fleet.finish(ref, result={})
        assert list(lines) == ["two", "three"]


def test_the_events_of_a_job_that_is_forgotten_end_with_its_last(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    with following(door, f"/v1/jobs/{ref.job_id}/events") as stream:
        until(stream, "job.running")
        forget_job(door, ref.job_id)
        assert [event.name for event in stream if event.name != "job.progress"] == ["job.succeeded"]


def test_the_logs_of_a_job_that_is_forgotten_end_with_what_there_is(door: Served, fleet: Fleet) -> None:
    ref = fleet.running_job()
    fleet.call("/output", {**ref.model_dump(), "worker": fleet.worker, "log": ["one"]})
    with door.client.stream("GET", f"/v1/jobs/{ref.job_id}/logs?follow=true") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "one"
        forget_job(door, ref.job_id)
        assert list(lines) == []


def test_the_logs_of_a_run_that_is_forgotten_end_with_what_there_is(door: Served, fleet: Fleet) -> None:
    run_id = fleet.ready_run().run_id
    with door.database.write() as session:
        events.record(session, [{"type": "run.log", "run_id": run_id, "data": {"lines": ["one"]}}])
    with door.client.stream("GET", f"/v1/runs/{run_id}/logs?follow=true") as answer:
        lines = answer.iter_lines()
        assert next(lines) == "one"
        with door.database.write() as session:
            session.execute(delete(Run).where(Run.id == run_id))
            events.record(session, [{"type": "run.stopped", "run_id": run_id, "data": {}}])
        assert list(lines) == []


def forget_job(door: Served, job_id: str) -> None:
    """As when it ended and its retention was over before anybody looked."""
    with door.database.write() as session:
        session.execute(delete(Job).where(Job.id == job_id))
        events.record(session, [{"type": "job.succeeded", "job_id": job_id, "data": {}}])


def test_streams_end_when_the_front_door_closes(door: Served) -> None:
    ended = threading.Event()

    def follow() -> None:
        with door.client.stream("GET", "/v1/events") as answer:
            list(read(answer))
        ended.set()

    thread = threading.Thread(target=follow)
    thread.start()
    eventually(lambda: door.parts.feed._followers == 1)
    door.parts.feed.close()
    assert ended.wait(30)
    thread.join()


@pytest.mark.postgres
def test_what_is_written_in_other_databases_holds_nobody_up(
    postgres_url: str, postgres_server: Postgres, tmp_path: Path
) -> None:
    theirs = create_engine(postgres_server.create("theirs"))
    with closing(Database(postgres_url)) as database, serve(database, tmp_path) as door, theirs.connect() as busy:
        busy.execute(text("select pg_current_xact_id()"))
        with following(door, "/v1/events?type=job.queued") as stream:
            eventually(lambda: door.parts.feed._horizon is not None)
            job_id = door.submit()
            assert next(stream).data["job_id"] == job_id
    theirs.dispose()
    postgres_server.drop("theirs")


@pytest.mark.postgres
def test_an_event_that_commits_late_is_not_skipped(postgres_url: str, tmp_path: Path) -> None:
    with (
        closing(Database(postgres_url)) as database,
        serve(database, tmp_path) as door,
        following(door, "/v1/events?type=test.order") as stream,
    ):
        eventually(lambda: door.parts.feed._horizon is not None)
        with database.write() as slow:
            events.record(slow, [{"type": "test.order", "data": {"n": 1}}])
            with database.write() as gone:
                events.record(gone, [{"type": "test.order", "data": {"n": 2}}])
                gone.rollback()
            with database.write() as quick:
                events.record(quick, [{"type": "test.order", "data": {"n": 3}}])
        assert [next(stream).data["data"]["n"] for _ in range(2)] == [1, 3]
