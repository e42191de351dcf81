"""What a submit asks the hub holds up nobody."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from sqlalchemy.pool import QueuePool

from shared.db import Database
from shared.hub_places import AT_ONCE, place
from shared.jobs import service
from shared.jobs.intake import Submission
from tests.hub import HubServer, running_hub

_DOWNLOAD = Submission("download", {"model": "hf:org/name"})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[HubServer]:
    with running_hub() as hub:
        hub.add("org/name", {"m.gguf": b"weights"})
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        yield hub


def test_no_look_at_the_database_stays_open_while_the_hub_is_asked(
    database: Database, hub: HubServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool, held = database.engine.pool, []
    assert isinstance(pool, QueuePool)
    monkeypatch.setattr(hub, "see", lambda *_: held.append(pool.checkedout()))
    with database.read() as session:
        [row] = service.prepare(session, [_DOWNLOAD]).rows
    assert (row["disk"], set(held)) == (len(b"weights"), {0})


def test_the_hub_is_not_asked_when_enough_others_wait_for_servers(database: Database, hub: HubServer) -> None:
    with ExitStack() as waiting:
        for _ in range(AT_ONCE):
            waiting.enter_context(place())
        with database.read() as session:
            [row] = service.prepare(session, [_DOWNLOAD]).rows
    assert (row["disk"], hub.seen) == (0, [])
