"""Who may do what, with and without keys."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from api import auth
from api.auth import Memory
from shared import keys
from tests.api.conftest import Opener
from tests.api.served import Served

_ECHO = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}

#: Requests, and the least role that may make them.
_MATRIX = [
    ("GET", "/v1/jobs", None, "read"),
    ("GET", "/v1/events?follow=false", None, "read"),
    ("GET", "/v1/models", None, "read"),
    ("GET", "/v1/runs", None, "read"),
    ("GET", "/v1/hosts", None, "read"),
    ("GET", "/v1/quarantines", None, "read"),
    ("GET", "/v1/files", None, "read"),
    ("GET", "/metrics", None, "read"),
    ("POST", "/v1/jobs", _ECHO, "submit"),
    ("POST", "/v1/jobs/bulk", {"jobs": [_ECHO]}, "submit"),
    ("POST", "/v1/jobs/none/cancel", None, "submit"),
    ("POST", "/v1/jobs/none/retry", None, "submit"),
    ("POST", "/v1/models/install", {"model": "url:https://models.example/none.gguf"}, "submit"),
    ("POST", "/v1/models/install", {"model": "local:/none"}, "admin"),
    ("POST", "/v1/runs", {"model": "echo"}, "submit"),
    ("DELETE", "/v1/runs/none", None, "submit"),
    ("DELETE", "/v1/files/none", None, "submit"),
    ("POST", "/v1/chat/completions", {"model": "none"}, "submit"),
    ("DELETE", "/v1/models/none", None, "admin"),
    ("POST", "/v1/hosts/join", {"name": "mini"}, "admin"),
    ("POST", "/v1/hosts/none/drain", None, "admin"),
    ("POST", "/v1/hosts/none/cordon", None, "admin"),
    ("POST", "/v1/hosts/none/uncordon", None, "admin"),
    ("DELETE", "/v1/quarantines/none/studio", None, "admin"),
    ("POST", "/v1/keys", {"name": "more"}, "admin"),
    ("GET", "/v1/keys", None, "admin"),
    ("DELETE", "/v1/keys/none", None, "admin"),
]


@pytest.fixture
def locked(open_door: Opener) -> Served:
    """A front door that asks everybody for a key."""
    return open_door(require_keys=True)


def make_key(door: Served, role: str) -> str:
    with door.database.write() as session:
        return keys.create(session, f"a {role}", role)[1]


def ask(door: Served, method: str, path: str, body: Any, key: str | None) -> int:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    status: int = door.client.request(method, path, json=body, headers=headers).status_code
    return status


def test_each_role_may_do_what_it_should_and_no_more(locked: Served) -> None:
    roles = {role: make_key(locked, role) for role in ("read", "submit", "admin")}
    ranks = list(roles)
    wrong = []
    for method, path, body, least in _MATRIX:
        if (status := ask(locked, method, path, body, None)) != 401:
            wrong.append((method, path, "nobody", status))
        for role, key in roles.items():
            status = ask(locked, method, path, body, key)
            allowed = ranks.index(role) >= ranks.index(least)
            if (status == 403) == allowed or status == 401:
                wrong.append((method, path, role, status))
    assert not wrong


def test_health_and_the_document_ask_for_no_key(locked: Served) -> None:
    assert locked.get("/health").status_code == 200
    assert locked.get("/openapi.json").status_code == 200


def test_a_key_is_shown_once_and_works_as_bearer_and_as_x_api_key(locked: Served) -> None:
    admin = {"Authorization": f"Bearer {make_key(locked, 'admin')}"}
    made = locked.post("/v1/keys", {"name": "ci", "role": "read"}, headers=admin).json()
    assert made["key"].startswith(f"ck_{made['prefix']}_")
    assert locked.get("/v1/jobs", headers={"x-api-key": made["key"]}).status_code == 200
    listed = locked.get("/v1/keys", headers=admin)
    assert made["key"] not in listed.text
    [shown] = [key for key in listed.json()["data"] if key["id"] == made["id"]]
    assert shown["last_used_at"] is not None


def test_a_revoked_key_stops_working_at_once(locked: Served) -> None:
    admin = {"Authorization": f"Bearer {make_key(locked, 'admin')}"}
    made = locked.post("/v1/keys", {"name": "ci", "role": "read"}, headers=admin).json()
    theirs = {"Authorization": f"Bearer {made['key']}"}
    assert locked.get("/v1/jobs", headers=theirs).status_code == 200
    assert locked.client.delete(f"/v1/keys/{made['prefix']}", headers=admin).json()["revoked_at"] is not None
    refused = locked.get("/v1/jobs", headers=theirs)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"


def test_a_wrong_key_says_so_without_saying_more(locked: Served) -> None:
    answer = locked.get("/v1/jobs", headers={"Authorization": "Bearer ck_00000000_wrong"})
    assert (answer.status_code, answer.json()["error"]["what"]) == (401, "The API key is not known")
    assert "wrong" not in answer.json()["error"]["what"]


def test_who_has_no_key_is_told_where_one_is_made_without_one(locked: Served) -> None:
    fix = locked.get("/v1/jobs").json()["error"]["fix"]
    assert "cidermill keys create NAME --local" in fix
    assert "CIDERMILL_API_KEY" in fix


def test_jobs_of_different_keys_do_not_share_idempotency_keys(locked: Served) -> None:
    first, second = (
        locked.post(
            "/v1/jobs",
            _ECHO,
            headers={"Authorization": f"Bearer {make_key(locked, 'submit')}", "Idempotency-Key": "same"},
        )
        for _ in range(2)
    )
    assert (first.status_code, second.status_code) == (201, 201)


def test_on_an_open_loopback_an_unknown_key_means_nothing(door: Served) -> None:
    assert door.get("/v1/keys", headers={"Authorization": "Bearer sk-whatever"}).status_code == 200


def test_on_an_open_loopback_a_known_key_keeps_its_role(door: Served) -> None:
    reader = {"Authorization": f"Bearer {make_key(door, 'read')}"}
    assert door.get("/v1/jobs", headers=reader).status_code == 200
    assert door.post("/v1/jobs", _ECHO, headers=reader).status_code == 403


@pytest.mark.parametrize("name", ["evil.example", "127.0.0.1.evil.example", "", "a@b:c"])
def test_an_open_front_door_answers_to_its_own_names_only(door: Served, name: str) -> None:
    answer = door.get("/v1/jobs", headers={"Host": name})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")


@pytest.mark.parametrize("name", ["localhost", "localhost:8400", "127.0.0.1", "[::1]:8400", "LOCALHOST"])
def test_loopback_has_many_names(door: Served, name: str) -> None:
    assert door.get("/v1/jobs", headers={"Host": name}).status_code == 200


def test_a_name_that_is_configured_is_one_of_its_own(open_door: Opener) -> None:
    door = open_door(url="http://studio.local:8400")
    assert door.get("/v1/jobs", headers={"Host": "studio.local:8400"}).status_code == 200


def test_a_foreign_page_may_change_nothing(door: Served) -> None:
    for origin in ("http://evil.example", "null", "http://127.0.0.1.evil.example"):
        answer = door.post("/v1/jobs", _ECHO, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert door.post("/v1/jobs", _ECHO, headers={"Origin": "http://localhost:3000"}).status_code == 201


def test_with_keys_any_name_may_be_used(locked: Served) -> None:
    headers = {"Host": "mini.local", "Authorization": f"Bearer {make_key(locked, 'read')}"}
    assert locked.get("/v1/jobs", headers=headers).status_code == 200


def test_what_was_looked_up_while_keys_changed_is_not_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "_REMEMBERED_SECONDS", 600.0)
    looked_up: list[str] = []

    def look_up(_: str) -> str:
        looked_up.append("before" if not looked_up else "after")
        if len(looked_up) == 1:
            memory.forget()
        return looked_up[-1]

    memory = Memory(look_up)
    assert asyncio.run(memory.recall("secret")) == "before"
    assert asyncio.run(memory.recall("secret")) == "after"
    assert asyncio.run(memory.recall("secret")) == "after"
    assert looked_up == ["before", "after"]


def test_only_so_many_wrong_keys_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    monkeypatch.setattr(auth, "_REMEMBERED_MOST", 3)
    monkeypatch.setattr(auth, "_REMEMBERED_SECONDS", 600.0)
    memory: Memory[str] = Memory(looked_up.append)
    for secret in (*"abcde", *"cde", "a"):
        assert asyncio.run(memory.recall(secret)) is None
    assert looked_up == [*"abcde", "a"], "the last three were known, and the first no more"
