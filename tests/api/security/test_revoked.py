"""A key that works no more opens nothing, and what it had opened tells nothing more."""

from __future__ import annotations

import pytest
from sqlalchemy import update

from api import auth
from shared.db import clock_time
from shared.tables import Key
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.api.streams import following, until
from tests.waiting import eventually


@pytest.fixture
def open_first(open_door: Opener) -> Served:
    """A door to the same database, open to everybody."""
    return open_door(host_name="studio")


@pytest.fixture
def closed(open_door: Opener, open_first: Served) -> Served:
    """The door that asks for keys; its host has work."""
    Fleet(open_first, "studio").register()
    return open_door(host_name="studio", require_keys=True)


def key(door: Served, role: str) -> tuple[str, dict[str, str]]:
    """Its id, and the headers that show it."""
    made = door.post("/v1/keys", {"name": role, "role": role}).json()
    return made["id"], {"Authorization": f"Bearer {made['key']}"}


@pytest.mark.parametrize("path", ["/v1/events?after=0", "/v1/jobs/{job}/events"])
def test_a_stream_ends_when_the_key_that_opened_it_is_revoked(open_first: Served, closed: Served, path: str) -> None:
    (reader, reads), (_, rules) = key(open_first, "read"), key(open_first, "admin")
    job = open_first.submit()
    with following(closed, path.format(job=job), **reads) as stream:
        until(stream, "job.queued")
        assert closed.client.delete(f"/v1/keys/{reader}", headers=rules).status_code == 200
        open_first.post(f"/v1/jobs/{job}/cancel")
        assert [event for event in stream if event.name != "job.progress"] == []
    assert closed.get("/v1/jobs", headers=reads).status_code == 401


@pytest.fixture
def _short_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is looked up again sooner than after the seconds that the guides name."""
    assert auth._REMEMBERED_SECONDS == 5.0
    monkeypatch.setattr(auth, "_REMEMBERED_SECONDS", 0.2)


@pytest.mark.usefixtures("_short_memory")
def test_another_front_door_knows_within_seconds(open_first: Served, closed: Served) -> None:
    reader, reads = key(open_first, "read")
    assert closed.get("/v1/jobs", headers=reads).status_code == 200
    open_first.client.delete(f"/v1/keys/{reader}")
    eventually(lambda: closed.get("/v1/jobs", headers=reads).status_code == 401, within=20)


@pytest.mark.usefixtures("_short_memory")
def test_a_key_past_its_time_opens_nothing(open_first: Served, closed: Served) -> None:
    reader, reads = key(open_first, "read")
    assert closed.get("/v1/jobs", headers=reads).status_code == 200
    with open_first.database.write() as session:
        session.execute(update(Key).where(Key.id == reader).values(expires_at=clock_time(session) - 0.1))
    eventually(lambda: closed.get("/v1/jobs", headers=reads).status_code == 401, within=20)
