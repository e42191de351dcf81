"""A proxy before the front door: whom it speaks for, and whose word for that is taken."""

from __future__ import annotations

import pytest

from shared import keys
from tests.api.conftest import Opener
from tests.api.fleet import Fleet
from tests.api.served import Served


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-For: 127.0.0.1, 192.0.2.7",
        "X-Forwarded-For: 192.0.2.7, 127.0.0.1",
        "X-Forwarded-For: 192.0.2.7:4711",
        "X-Forwarded-For: unknown",
        "X-Real-IP: 2001:db8::7",
        "Forwarded: for=192.0.2.7;proto=https",
        'Forwarded: by=127.0.0.1;For="[2001:db8::7]:4711"',
        "Forwarded: for=_hidden",
    ],
)
@pytest.mark.parametrize("path", ["/v1/keys", "/v1/models", "/api/tags", "/metrics", "/docs"])
def test_nobody_comes_in_without_a_key_through_a_proxy_on_this_machine(door: Served, path: str, header: str) -> None:
    name, value = header.split(": ")
    answer = door.get(path, headers={name: value})
    assert answer.status_code == 403
    assert "CIDERMILL_REQUIRE_KEYS" in answer.text


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: 127.0.0.1:4711, ::1",
        "X-Forwarded-For: ::ffff:127.0.0.1",
        'Forwarded: for="[::1]:4711";proto=http',
        "X-Forwarded-For: ",
    ],
)
def test_a_proxy_for_this_machine_only_changes_nothing(door: Served, header: str) -> None:
    name, value = header.split(": ")
    assert door.get("/v1/models", headers={name: value}).status_code == 200


@pytest.mark.parametrize(
    ("trusted", "address"), [([], "127.0.0.1"), (["127.0.0.1"], "192.0.2.7"), (["10.0.0.0/8"], "127.0.0.1")]
)
def test_the_audit_names_whom_a_trusted_proxy_names(open_door: Opener, trusted: list[str], address: str) -> None:
    door = open_door(require_keys=True, trusted_proxies=trusted)
    admin = {"Authorization": f"Bearer {_admin(door)}", "X-Forwarded-For": "10.0.0.1, 192.0.2.7"}
    assert door.post("/v1/keys", {"name": "more"}, headers=admin).status_code == 201
    assert [entry["address"] for entry in door.get("/v1/audit", headers=admin).json()["data"]] == [address]


def test_a_host_behind_a_trusted_proxy_is_called_at_its_own_address(open_door: Opener) -> None:
    door = open_door(host_name="studio", require_keys=True, trusted_proxies=["127.0.0.1"])
    door.client.headers["Authorization"] = f"Bearer {_admin(door)}"
    mini = Fleet(door, "mini")
    door.client.headers["X-Forwarded-For"] = "192.0.2.7"
    mini.register(engine_url="http://192.0.2.7:9")
    assert mini.call("/register", mini.registration(engine_url="http://127.0.0.1:9")).status_code == 403


def _admin(door: Served) -> str:
    with door.database.write() as session:
        return keys.create(session, "ops", "admin")[1]
