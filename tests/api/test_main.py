"""The front door as a process of its own."""

from __future__ import annotations

import shutil
import signal
import socket
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api import main
from api.app import create_app
from shared import keys
from shared.db import Database
from shared.errors import ConfigError
from shared.settings import Settings
from tests.api.fleet import Fleet
from tests.api.process import Process
from tests.api.served import Served
from tests.ports import own_port
from tests.waiting import eventually

Prepare = Callable[..., Settings]


@pytest.fixture
def prepared(sqlite_template: Path, tmp_path: Path) -> Prepare:
    """Makes settings of a home whose database is migrated."""

    def make(**settings: Any) -> Settings:
        chosen = Settings(**{"home": tmp_path, "port": own_port(), **settings})
        chosen.state_dir.mkdir(parents=True)
        shutil.copyfile(sqlite_template, chosen.state_dir / "cidermill.db")
        return chosen

    return make


def get(settings: Settings, path: str, **more: Any) -> httpx2.Response:
    return httpx2.get(settings.front_door + path, timeout=60, trust_env=False, **more)


def test_it_serves_until_it_is_told_to_stop(prepared: Prepare) -> None:
    settings = prepared()
    with Process(settings) as process:
        eventually(lambda: process.answers("/health"), within=60)
        eventually(lambda: process.answers("/v1/models/echo"))
        assert get(settings, "/v1/models").json()["data"][0]["id"] == "echo"
        process.send(signal.SIGTERM)
        assert process.wait(60) == 0


def test_followers_do_not_keep_it_from_stopping(prepared: Prepare) -> None:
    settings = prepared()
    with Process(settings, grace=1000) as process:
        eventually(lambda: process.answers("/health"), within=60)
        with httpx2.stream("GET", f"{settings.front_door}/v1/events", timeout=60, trust_env=False) as answer:
            assert answer.status_code == 200
            process.send(signal.SIGINT)
            assert process.wait(60) == 0


def test_who_has_no_answer_when_it_has_to_end_is_told(prepared: Prepare, engine: str) -> None:
    settings = prepared()
    asked = {"model": "echo", "messages": [{"role": "user", "content": "x"}], "stream": True}
    with (
        Process(settings) as process,
        closing(Database(settings.database)) as database,
        httpx2.Client(base_url=settings.front_door, timeout=60, trust_env=False) as client,
    ):
        eventually(lambda: process.answers("/health"), within=60)
        eventually(lambda: process.answers("/v1/models/echo"))
        fleet = Fleet(Served(create_app(settings, database), settings.front_door, client), settings.host_name)
        fleet.register()
        fleet.ready_run(engine)
        slow = asked | {"echo": {"tokens": 100_000, "itl_ms": 20}}
        with client.stream("POST", "/v1/chat/completions", json=slow) as answer:
            lines = answer.iter_lines()
            assert next(lines)
            process.send(signal.SIGTERM)
            *_, last = filter(None, lines)
        assert "The front door is being stopped" in last
        assert process.wait(60) == 0


def test_what_was_submitted_survives_a_kill(prepared: Prepare) -> None:
    settings = prepared()
    body = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}
    with Process(settings) as process:
        eventually(lambda: process.answers("/health"), within=60)
        eventually(lambda: process.answers("/v1/models/echo"))
        made = httpx2.post(f"{settings.front_door}/v1/jobs", json=body, timeout=60, trust_env=False)
        job_id = made.json()["id"]
        process.send(signal.SIGKILL)
        process.wait(60)
    with Process(settings) as again:
        eventually(lambda: again.answers(f"/v1/jobs/{job_id}"), within=60)


def test_a_port_that_is_taken_is_said(prepared: Prepare) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = prepared(port=taken.getsockname()[1])
        with pytest.raises(ConfigError, match="is in use"):
            main.run(settings)


def test_it_does_not_open_to_others_without_asking_for_keys(prepared: Prepare) -> None:
    with pytest.raises(ConfigError, match="open to everybody"):
        main.run(prepared(host="0.0.0.0", require_keys=False))


def test_it_does_not_open_to_others_when_nobody_has_a_key(prepared: Prepare) -> None:
    with pytest.raises(ConfigError, match="there is no key yet"):
        main.run(prepared(host="0.0.0.0"))


def test_with_a_key_it_opens_to_others_and_asks_for_it(prepared: Prepare) -> None:
    settings = prepared(host="0.0.0.0")
    database = Database(settings.database)
    with database.write() as session:
        key = keys.create(session, "me", "read")[1]
    database.close()
    with Process(settings) as process:
        eventually(lambda: process.answers("/health"), within=60)
        assert not process.answers("/v1/jobs")
        theirs = {"Authorization": f"Bearer {key}"}
        assert get(settings, "/v1/jobs", headers=theirs).status_code == 200
