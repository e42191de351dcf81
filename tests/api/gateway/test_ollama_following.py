"""What clients of Ollama are told of a job while the database is away, or once the job is."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest
from sqlalchemy import delete, text, update
from sqlalchemy.exc import IntegrityError, OperationalError

from api.gateway.ollama import follow_up, following, watching
from api.gateway.ollama.follow_up import FollowUps
from shared.tables import Job
from shared.vocabulary import JobState
from tests.api.served import Served, no_jobs

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line for each look."""
    monkeypatch.setattr(following, "GLANCE", 0)
    monkeypatch.setattr(following, "_REPEAT", 0)
    monkeypatch.setattr(follow_up, "_AGAIN", 0)


def cancel(door: Served, job_id: str) -> None:
    assert door.post(f"/v1/jobs/{job_id}/cancel").status_code == 200


def test_a_database_that_is_away_for_a_moment_ends_no_stream(door: Served) -> None:
    job_id = door.submit()

    async def scene() -> None:
        lines = following._lines(door.parts, job_id, None)
        assert await anext(lines) == {"status": "pulling manifest"}
        with no_jobs(door):
            assert await anext(lines) == {"status": "pulling manifest"}
        cancel(door, job_id)
        [line] = [line async for line in lines]
        assert "was cancelled" in line["error"]

    asyncio.run(scene())


def test_a_front_door_that_stops_says_so_as_the_last_line(door: Served) -> None:
    job_id = door.submit()

    async def scene() -> None:
        lines = following._written(following._lines(door.parts, job_id, None))
        await anext(lines)
        door.parts.feed.closed = True
        [line] = [json.loads(line) async for line in lines]
        assert "is being stopped" in line["error"]

    asyncio.run(scene())


def test_a_database_that_stays_away_is_told_as_the_last_line(door: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE", 0)
    job_id = door.submit()

    async def scene() -> None:
        lines = following._written(following._lines(door.parts, job_id, None))
        await anext(lines)
        with no_jobs(door):
            [line] = [json.loads(line) async for line in lines]
        assert "database" in line["error"]

    asyncio.run(scene())


def test_a_job_that_is_forgotten_meanwhile_is_told_as_the_last_line(door: Served) -> None:
    job_id = door.submit()

    async def scene() -> None:
        lines = following._written(following._lines(door.parts, job_id, None))
        await anext(lines)
        with door.database.write() as session:
            session.execute(delete(Job).where(Job.id == job_id))
        [line] = [json.loads(line) async for line in lines]
        assert job_id in line["error"]

    asyncio.run(scene())


@pytest.mark.parametrize("trouble", ["database", "disk"])
def test_what_follows_on_a_job_may_fail_and_is_told(
    door: Served, trouble: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_up, "PATIENCE", 0)
    job_id, follow_ups = door.submit(), FollowUps(door.parts)

    def settle(succeeded: bool) -> None:
        assert succeeded
        if trouble == "disk":
            tmp_path.unlink()
        with door.database.write() as session:
            session.execute(text("SELECT 1 FROM nowhere"))

    async def scene() -> None:
        with door.database.write() as session:
            session.execute(update(Job).where(Job.id == job_id).values(state=JobState.SUCCEEDED))
        work = asyncio.create_task(follow_ups.run())
        *_, line = [line async for line in following._lines(door.parts, job_id, follow_ups.add(job_id, settle))]
        assert trouble in line["error"]
        work.cancel()

    asyncio.run(scene())


def finished(door: Served) -> str:
    job_id = door.submit()
    with door.database.write() as session:
        session.execute(update(Job).where(Job.id == job_id).values(state=JobState.SUCCEEDED))
    return job_id


def test_a_mistake_in_what_follows_on_one_job_ends_no_other(door: Served) -> None:
    odd, good, follow_ups = finished(door), finished(door), FollowUps(door.parts)
    settled: list[bool] = []

    def mistaken(succeeded: bool) -> None:
        raise IntegrityError("INSERT", None, ValueError("twice"))

    async def scene() -> None:
        work = asyncio.create_task(follow_ups.run())
        problem = await asyncio.wait_for(follow_ups.add(odd, mistaken), 30)
        assert problem is not None
        assert "IntegrityError" in problem.why
        assert await asyncio.wait_for(follow_ups.add(good, settled.append), 30) is None
        assert settled == [True]
        assert not work.done()
        work.cancel()

    asyncio.run(scene())


@pytest.mark.parametrize("patience", [0, 60])
def test_what_follows_on_a_job_is_done_once_the_database_is_back(
    door: Served, patience: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow_up, "PATIENCE", patience)
    job_id, follow_ups, tries = finished(door), FollowUps(door.parts), list[bool]()
    done, go = threading.Event(), threading.Event()

    def settle(succeeded: bool) -> None:
        tries.append(succeeded)
        if len(tries) < 3:
            raise OperationalError("INSERT", None, ValueError("the server went away"))
        go.wait(30)
        done.set()

    async def scene() -> None:
        work = asyncio.create_task(follow_ups.run())
        waiting = follow_ups.add(job_id, settle)
        if patience:
            go.set()
        problem = await asyncio.wait_for(waiting, 30)
        go.set()
        assert (problem is None) == bool(patience)
        assert await asyncio.to_thread(done.wait, 30)
        work.cancel()

    asyncio.run(scene())
