"""Fetches become downloads, each once, and the next look knows of them; on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select, update

from scheduler.fetcher import Fetcher
from scheduler.plan import plan
from scheduler.reading.fetches import PAUSE
from scheduler.reading.snapshot import Reader
from scheduler.views import Snapshot
from shared.db import Database, clock_time
from shared.leader import Fence
from shared.tables import Host, Job, Model
from shared.units import GIB
from shared.vocabulary import JobState, Priority
from tests.scheduler.rows import add_host, add_jobs, add_model, lead

DIGEST = "d" * 64


@pytest.fixture(autouse=True)
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that nobody reaches: the download then finds out the size by itself."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")


@pytest.fixture
def fetcher(database: Database) -> Iterator[Fetcher]:
    with database.write() as session:
        add_host(session, "studio", 2)
        add_host(session, "mini", 16)
        add_model(session, "qwen", 4, "studio")
        origin = {"provider": "hf", "repo": "org/qwen", "file": "q4.gguf", "revision": "abc"}
        session.execute(update(Model).values(origin))
        add_jobs(session, rank=0)
    opened = Fetcher(database)
    yield opened
    opened.close()


@pytest.fixture
def fence(database: Database) -> Fence:
    return lead(database)


def look(database: Database, *, fetch: bool = True) -> Snapshot:
    with database.read() as session:
        return Reader(fetch=fetch).read(session, whole=True)


def downloads(database: Database) -> list[Job]:
    with database.read() as session:
        return list(session.scalars(select(Job).where(Job.kind == "download")))


def ended(database: Database, state: JobState, ago: float) -> None:
    with database.write() as session:
        over: dict[str, Any] = {"state": state, "finished_at": clock_time(session) - ago}
        session.execute(update(Job).where(Job.kind == "download").values(over))


def test_a_decided_fetch_is_a_download_as_urgent_as_who_waits(
    database: Database, fetcher: Fetcher, fence: Fence
) -> None:
    assert fetcher.fetch(fence, plan(look(database)).fetches) == 1
    [job] = downloads(database)
    assert job.params == {"model": "hf:org/qwen:q4.gguf@abc", "display_name": "qwen", "host": "mini"}
    assert (job.host, job.priority, job.owner) == ("mini", Priority.INTERACTIVE, "scheduler")


def test_the_next_look_knows_that_it_is_coming(database: Database, fetcher: Fetcher, fence: Fence) -> None:
    decided = plan(look(database)).fetches
    fetcher.fetch(fence, decided)
    seen = look(database)
    assert seen.models["qwen"].coming == {"mini"}
    assert not plan(seen).fetches
    assert fetcher.fetch(fence, decided) == 0
    assert len(downloads(database)) == 1


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED, JobState.SUCCEEDED])
def test_what_was_tried_is_left_alone_for_an_hour(
    database: Database, fetcher: Fetcher, fence: Fence, state: JobState
) -> None:
    decided = plan(look(database)).fetches
    fetcher.fetch(fence, decided)
    ended(database, state, PAUSE - 60)
    seen = look(database)
    assert (seen.models["qwen"].coming, seen.models["qwen"].tried) == (frozenset[str](), frozenset({"mini"}))
    assert not plan(seen).fetches
    assert fetcher.fetch(fence, decided) == 0
    ended(database, state, PAUSE + 60)
    assert plan(look(database)).fetches == decided


def lies_at_a_path(database: Database, digest: str | None = DIGEST, **studio: Any) -> None:
    """The model was registered from a path of its host, which serves models unless it says otherwise."""
    with database.write() as session:
        origin = {"provider": "local", "repo": "/m.gguf", "file": None, "revision": None, "digest": digest}
        session.execute(update(Model).values(origin))
        session.execute(update(Host).where(Host.name == "studio").values({"peer_url": "http://10.0.0.7:9", **studio}))


def test_a_model_of_a_path_is_fetched_by_its_content(database: Database, fetcher: Fetcher, fence: Fence) -> None:
    lies_at_a_path(database)
    assert fetcher.fetch(fence, plan(look(database)).fetches) == 1
    [job] = downloads(database)
    asked = {"model": "local:/m.gguf", "digest": DIGEST, "display_name": "qwen", "host": "mini"}
    assert (job.params, job.disk) == (asked, 4 * GIB)


@pytest.mark.parametrize("change", [{"digest": None}, {"peer_url": None}, {"seen_until": 0.0}])
def test_a_model_of_a_path_stays_where_nobody_can_give_it(
    database: Database, fetcher: Fetcher, change: dict[str, Any]
) -> None:
    lies_at_a_path(database, **change)
    seen = look(database)
    assert seen.models["qwen"].reference is None
    decided = plan(seen)
    assert not decided.fetches
    assert all("can be fetched" not in fact.sentence for why in decided.blocked_jobs.values() for fact in why.hosts)


def test_where_models_are_not_to_be_fetched_none_is(database: Database, fetcher: Fetcher) -> None:
    assert not plan(look(database, fetch=False)).fetches


def test_a_removed_model_is_not_fetched(database: Database, fetcher: Fetcher, fence: Fence) -> None:
    decided = plan(look(database)).fetches
    with database.write() as session:
        session.delete(session.get_one(Model, "qwen"))
    assert fetcher.fetch(fence, decided) == 0


def test_a_stale_leader_fetches_nothing(database: Database, fetcher: Fetcher, fence: Fence) -> None:
    decided = plan(look(database)).fetches
    assert fetcher.fetch(Fence(fence.holder, fence.epoch - 1), decided) == 0
    assert not downloads(database)


def test_what_no_database_takes_stops_no_other_fetch(database: Database, fetcher: Fetcher, fence: Fence) -> None:
    [good] = plan(look(database)).fetches
    odd = replace(good, host="m\ud83d")
    assert fetcher.fetch(fence, [odd, good]) == 1
    assert [job.host for job in downloads(database)] == ["mini"]
