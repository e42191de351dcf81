"""Schedulers at work, on both databases and a real Valkey."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import redis
from sqlalchemy import select, text, update

from cli.embedded.valkey import EmbeddedValkey
from scheduler.loop import Scheduler
from shared.broker import Dispatcher, Wake
from shared.db import Database
from shared.schema import upgrade
from shared.settings import Settings, load_settings
from shared.tables import Job, Leader, Model
from shared.vocabulary import JobState
from tests.postgres import start_postgres
from tests.scheduler.rows import add_host, add_jobs, add_model, add_run, states
from tests.waiting import eventually

LANE = "cidermill:studio.llama-cpp"


def settings_for(home: Path, database: Database, valkey_url: str, **more: object) -> Settings:
    """Those of a fleet in which nothing runs out while a machine stands still, and whose workers never come."""
    url = database.url.render_as_string(hide_password=False)
    patient = {"claim_seconds": 600.0, "leader_seconds": 600.0}
    return load_settings(home=home, database_url=url, redis_url=valkey_url, **(patient | more))


@contextmanager
def scheduling(settings: Settings) -> Iterator[Scheduler]:
    """A scheduler on a thread, with connections of its own, which takes no slow Redis for one that is gone."""
    with pytest.MonkeyPatch.context() as patched:
        for name in ("wake._TIMEOUT", "dispatcher._TIMEOUT", "bell._GRACE"):
            patched.setattr(f"shared.broker.{name}", 30.0)
        with _scheduling(settings) as scheduler:
            yield scheduler


@contextmanager
def _scheduling(settings: Settings) -> Iterator[Scheduler]:
    redis_url = settings.redis_url.get_secret_value() if settings.redis_url else ""
    database, dispatcher = Database(settings.database), Dispatcher(redis_url)
    scheduler = Scheduler(settings, database, dispatcher, Wake(redis_url))
    thread = threading.Thread(target=scheduler.run)
    thread.start()
    try:
        yield scheduler
    finally:
        scheduler.stop()
        thread.join(60.0)
        dispatcher.close()
        database.close()
    assert not thread.is_alive()


@pytest.fixture
def settings(tmp_path: Path, database: Database, valkey: str) -> Settings:
    return settings_for(tmp_path, database, valkey)


def fleet(database: Database, slots: int = 4) -> None:
    with database.write() as session:
        add_host(session)
        add_model(session, "qwen", 4, "studio")
        add_run(session, slots=slots)


def submit(database: Database, count: int = 1) -> list[str]:
    with database.write() as session:
        return add_jobs(session, count)


def all_are(database: Database, state: JobState) -> bool:
    with database.read() as session:
        return set(states(session).values()) == {state}


def leader(database: Database) -> Leader | None:
    with database.read() as session:
        return session.scalars(select(Leader)).one_or_none()


def test_a_job_is_assigned_and_its_message_is_on_the_lane(settings: Settings, database: Database, valkey: str) -> None:
    fleet(database)
    submit(database, 4)
    with scheduling(settings), redis.Redis.from_url(valkey) as client:
        eventually(lambda: client.llen(LANE) == 4)
    assert all_are(database, JobState.ASSIGNED)


def test_a_ring_is_answered_before_the_next_tick(tmp_path: Path, database: Database, valkey: str) -> None:
    fleet(database)
    with scheduling(settings_for(tmp_path, database, valkey, tick_seconds=600.0)):
        wake = Wake(valkey)
        eventually(lambda: leader(database) is not None)
        submit(database)
        wake.ring()
        eventually(lambda: all_are(database, JobState.ASSIGNED), 60.0)
        wake.close()


def test_a_tick_finds_what_nobody_rang_for(settings: Settings, database: Database) -> None:
    fleet(database)
    with scheduling(settings):
        eventually(lambda: leader(database) is not None)
        submit(database)
        eventually(lambda: all_are(database, JobState.ASSIGNED))


def test_of_two_schedulers_one_leads_and_the_other_takes_over(settings: Settings, database: Database) -> None:
    fleet(database, slots=20)
    with ExitStack() as second:
        with scheduling(settings):
            eventually(lambda: leader(database) is not None)
            first = leader(database)
            second.enter_context(scheduling(settings))
            submit(database, 10)
            eventually(lambda: all_are(database, JobState.ASSIGNED))
        submit(database, 10)
        eventually(lambda: all_are(database, JobState.ASSIGNED))
        now = leader(database)
        assert first is not None
        assert now is not None
        assert (now.holder, now.epoch) != (first.holder, first.epoch)


def test_without_redis_jobs_are_assigned_and_sent_once_it_is_back(
    tmp_path: Path, database: Database, own_valkey: EmbeddedValkey
) -> None:
    fleet(database)
    url = own_valkey.url
    own_valkey.stop()
    with scheduling(settings_for(tmp_path, database, url)):
        submit(database)
        eventually(lambda: all_are(database, JobState.ASSIGNED))
        own_valkey.start()
        with redis.Redis.from_url(own_valkey.url) as client:
            eventually(lambda: client.llen(LANE) == 1)


@pytest.mark.postgres
def test_a_database_that_comes_back_is_scheduled_on(tmp_path: Path, valkey: str) -> None:

    server = start_postgres(durable=True)
    try:
        database = Database(server.create("own"))
        upgrade(database)
        fleet(database)
        with scheduling(settings_for(tmp_path, database, valkey)):
            eventually(lambda: leader(database) is not None)
            server.kill()
            database.close()
            server.start()
            submit(database)
            eventually(lambda: all_are(database, JobState.ASSIGNED), 60.0)
        database.close()
    finally:
        server.remove()


def test_tables_that_do_not_exist_yet_are_waited_for(tmp_path: Path, valkey: str) -> None:

    database = Database(f"sqlite:///{tmp_path / 'new.db'}")
    with scheduling(settings_for(tmp_path, database, valkey)):
        with database.read() as session:
            assert session.execute(text("SELECT count(*) FROM sqlite_master")).scalar() == 0
        upgrade(database)
        fleet(database)
        submit(database)
        eventually(lambda: all_are(database, JobState.ASSIGNED))
    database.close()


def test_a_scheduler_that_stops_lets_another_lead_at_once(settings: Settings, database: Database) -> None:
    with scheduling(settings):
        eventually(lambda: leader(database) is not None)
    resigned = leader(database)
    assert resigned is not None
    assert resigned.until == 0


def test_a_burst_is_assigned_in_the_order_of_the_queue(settings: Settings, database: Database) -> None:
    fleet(database, slots=8)
    ids = submit(database, 500)
    with scheduling(settings):
        eventually(lambda: not all_are(database, JobState.QUEUED))
    with database.read() as session:
        assigned = set(session.scalars(select(Job.id).where(Job.state == JobState.ASSIGNED)))
        told = session.scalar(select(Job.blocked_by).where(Job.id == ids[-1]))
    assert assigned == set(ids[:8])
    assert (told or {}).get("code") in (None, "slots")


def test_a_look_that_fails_is_told_and_looked_again(
    settings: Settings, database: Database, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fleet(database)
    with database.write() as session:
        session.execute(update(Model).values(shape={"layers": "many"}))
    with scheduling(settings):
        eventually(lambda: leader(database) is not None)
        submit(database)
        told: list[str] = []

        def said() -> bool:
            told.append(capsys.readouterr().out)
            return "Traceback" in "".join(told)

        eventually(said)
        assert all_are(database, JobState.QUEUED)
        with database.write() as session:
            session.execute(update(Model).values(shape={}))
        eventually(lambda: all_are(database, JobState.ASSIGNED))
