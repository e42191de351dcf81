"""Texts that JSON allows and databases do not, where they are stored and asked for again."""

from __future__ import annotations

import pytest

from shared.store.promised import read_awaited, read_promised
from tests.api.fleet import Fleet
from tests.api.served import Served
from tests.hub import running_hub


def test_a_null_in_a_job_stops_neither_the_plan_nor_any_list(
    door: Served, fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = {"model": "org/model", "include": ["a\0b"], "host": "studio"}
    with running_hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        made = door.post("/v1/jobs", {"kind": "download", "params": params, "labels": {"team": "a\0b"}})
    assert made.status_code == 201, made.text
    with door.database.read() as session:
        assert read_awaited(session.connection()).keys() == {"studio"}
        assert read_promised(session.connection()) == {}
    assert door.get("/v1/jobs?label=team=x").json()["data"] == []
    [listed] = door.get("/v1/jobs").json()["data"]
    assert listed["labels"] == {"team": "a\ufffdb"}
