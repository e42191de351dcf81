"""What keys may do, how that is changed, and the log of who changed what."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served

_ECHO = {"kind": "inference", "params": {"model": "echo", "prompt": "x"}}


def made(door: Served, **fields: Any) -> dict[str, Any]:
    answer = door.post("/v1/keys", {"name": "ci", **fields})
    assert answer.status_code == 201, answer.text
    key: dict[str, Any] = answer.json()
    return key


def bearer(key: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {key['key']}"}


def test_a_key_keeps_what_it_was_made_with(door: Served) -> None:
    key = made(door, models=["echo"], priority="low", limits={"tokens/day": 5}, weight=3, expires_at=4e9)
    [shown] = door.get("/v1/keys").json()["data"]
    assert (shown["models"], shown["priority"], shown["limits"]) == (["echo"], "low", {"tokens/day": 5})
    assert shown["expires_at"] == 4e9
    parts = {part["name"]: part["weight"] for part in door.get("/v1/queues").json()["data"]}
    assert parts[f"key:{key['id']}"] == 3


def test_a_key_is_changed_field_by_field_at_once(door: Served) -> None:
    key = made(door, models=["echo"], role="submit")
    assert door.get("/v1/jobs", headers=bearer(key)).status_code == 200
    changed = door.client.patch(f"/v1/keys/{key['prefix']}", json={"role": "read", "models": None}).json()
    assert (changed["role"], changed["models"], changed["name"]) == ("read", None, "ci")
    assert door.post("/v1/runs", {"model": "echo"}, headers=bearer(key)).status_code == 403


def test_a_keys_share_of_the_fleet_is_changed(door: Served) -> None:
    key = made(door, weight=3)
    assert door.client.patch(f"/v1/keys/{key['id']}", json={"weight": 0.5}).status_code == 200
    parts = {part["name"]: part["weight"] for part in door.get("/v1/queues").json()["data"]}
    assert parts[f"key:{key['id']}"] == 0.5


@pytest.mark.parametrize(
    "wrong", [{"limits": {"tokens/week": 1}}, {"limits": {"concurrent": -1}}, {"weight": 0}, {"priority": "urgent"}]
)
def test_a_wrong_limit_is_refused(door: Served, wrong: dict[str, Any]) -> None:
    assert door.post("/v1/keys", {"name": "ci", **wrong}).status_code == 422


def test_a_key_stops_working_when_its_time_is_over(open_door: Opener) -> None:
    door = open_door()
    key = made(door, expires_at=1)
    locked = open_door(require_keys=True)
    assert locked.get("/v1/jobs", headers=bearer(key)).status_code == 401


def test_what_admins_change_is_in_the_log_and_what_they_are_refused(door: Served) -> None:
    admin = made(door, role="admin")
    door.client.delete("/v1/keys/none", headers=bearer(admin))
    door.get("/v1/keys", headers=bearer(admin))
    refused, first = door.get("/v1/audit", headers=bearer(admin)).json()["data"]
    assert (first["key"], first["action"], first["outcome"]) == ("", "POST /v1/keys", "done")
    assert (refused["key"], refused["name"], refused["address"]) == (admin["id"], "ci", "127.0.0.1")
    assert (refused["action"], refused["path"]) == ("DELETE /v1/keys/{key_id}", "/v1/keys/none")
    assert refused["outcome"] == "not_found"
    assert door.get(f"/v1/audit?before={refused['seq']}").json()["data"] == [first]


def test_what_an_admin_changes_of_others_is_in_the_log(door: Served, fleet: Fleet) -> None:
    own, admin = made(door, role="submit"), made(door, role="admin")
    mine, yours = (door.post("/v1/jobs", _ECHO, headers=bearer(own)).json()["id"] for _ in range(2))
    assert door.post(f"/v1/jobs/{mine}/cancel", headers=bearer(own)).status_code == 200
    assert door.post(f"/v1/jobs/{yours}/cancel", headers=bearer(admin)).status_code == 200
    told = [(entry["key"], entry["path"]) for entry in door.get("/v1/audit").json()["data"]]
    assert told[0] == (admin["id"], f"/v1/jobs/{yours}/cancel")
    assert own["id"] not in {key for key, _ in told}


_GUARDED = {"kind": "download", "params": {"model": "local:/a.gguf"}}
_TURN = {"name": "nightly", "cron": "0 0 * * *", "job": _ECHO}


@pytest.mark.parametrize(
    ("path", "body", "outcomes"),
    [("/v1/runs", {"model": "echo"}, ["done"]), ("/v1/runs", {"model": "none"}, ["not_found"]),
     ("/v1/models/install", {"model": "org/tiny"}, ["done"]), ("/v1/models/scan", {}, ["done"]),
     ("/v1/models/echo/verify", {}, ["invalid_parameters"]), ("/v1/schedules", _TURN, ["done"]),
     ("/v1/jobs", _GUARDED, ["done"]), ("/v1/jobs/bulk", {"jobs": [_ECHO, _GUARDED]}, ["done"]),
     ("/v1/jobs", _GUARDED | {"deadline": "2020-01-01T00:00:00Z"}, ["invalid_parameters"]),
     ("/api/pull", {"model": "none", "stream": False}, ["not_found"]),
     # What any key may do, and nobody need look up.
     ("/v1/jobs", _ECHO, []), ("/v1/jobs/bulk", {"jobs": [_ECHO]}, []), ("/v1/jobs", {}, []),
     ("/v1/jobs", {"kind": "download", "params": {"model": "org/tiny"}}, [])],
)  # fmt: skip
def test_what_an_admin_does_with_hosts_is_in_the_log(
    door: Served, fleet: Fleet, path: str, body: dict[str, Any], outcomes: list[str]
) -> None:
    for role, logged in (("admin", outcomes), ("submit", [])):
        key = made(door, role=role)
        door.post(path, body, headers=bearer(key))
        told = door.get(f"/v1/audit?key={key['id']}").json()["data"]
        assert [(entry["path"], entry["outcome"]) for entry in told] == [(path, outcome) for outcome in logged]


def test_the_log_is_for_admins(door: Served) -> None:
    assert door.get("/v1/audit", headers=bearer(made(door, role="submit"))).status_code == 403


def test_work_is_no_more_urgent_than_its_key_may_be(door: Served, fleet: Fleet) -> None:
    fleet.ready_run()
    headers = bearer(made(door, priority="low"))
    for asked, given in (("high", "low"), ("batch", "batch")):
        job = door.post("/v1/jobs", {**_ECHO, "priority": asked}, headers=headers).json()
        run = door.post("/v1/runs", {"model": "echo", "priority": asked}, headers=headers).json()
        assert (job["priority"], run["priority"]) == (given, given)


def test_jobs_and_runs_use_only_the_models_that_their_key_may(door: Served, fleet: Fleet) -> None:
    headers = bearer(made(door, models=["another"]))
    assert door.post("/v1/jobs", _ECHO, headers=headers).status_code == 403
    assert door.post("/v1/jobs/bulk", {"jobs": [_ECHO]}, headers=headers).status_code == 403
    assert door.post("/v1/runs", {"model": "echo"}, headers=headers).status_code == 403


def test_jobs_count_as_requests(door: Served, fleet: Fleet) -> None:
    headers = bearer(made(door, limits={"requests/day": 2}))
    assert door.post("/v1/jobs/bulk", {"jobs": [_ECHO, _ECHO]}, headers=headers).status_code == 201
    refused = door.post("/v1/jobs", _ECHO, headers=headers)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "rate_limit_exceeded")
    assert int(refused.headers["retry-after"]) > 0


def test_a_key_that_was_pasted_into_an_address_is_not_kept(door: Served) -> None:
    key = made(door)
    assert door.client.delete(f"/v1/keys/{key['key']}").status_code == 404
    logged = door.get("/v1/audit").json()["data"][0]["path"]
    assert logged == f"/v1/keys/ck_{key['prefix']}_…"
