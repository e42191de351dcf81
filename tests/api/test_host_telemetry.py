"""What hosts measure, where a counter of theirs is broken."""

from __future__ import annotations

import json

import pytest

from scheduler.reading.hosts import read_hosts
from shared import protocol
from shared.db import clock_time
from tests.api.fleet import Fleet
from tests.api.served import Served

_FIGURES = ("joules", "power_watts", "idle_watts", "cpu_percent", "gpu_percent", "load")


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_host_with_a_broken_counter_lives_on_and_its_figures_are_unknown(
    door: Served, fleet: Fleet, odd: str
) -> None:
    _tell(door, fleet, dict.fromkeys(_FIGURES, "odd") | {"thermal": "nominal"}, odd)
    answer = door.get("/v1/hosts")
    assert answer.status_code == 200, answer.text
    [host] = answer.json()["data"]
    assert host["telemetry"] == {"thermal": "nominal"}


@pytest.mark.parametrize("odd", ["-1", "1" + "0" * 400, str(2**63)])
def test_counts_and_sizes_that_cannot_be_true_are_unknown_and_the_plan_goes_on(
    door: Served, fleet: Fleet, odd: str
) -> None:
    _tell(door, fleet, {"disk_reserve": "odd", "job_slots": "odd", "memory_used": "odd", "load": 0.5}, odd)
    [host] = door.get("/v1/hosts").json()["data"]
    assert host["telemetry"] == {"load": 0.5}
    with door.database.read() as session:
        assert list(read_hosts(session.connection(), clock_time(session))) == ["studio"]


def _tell(door: Served, fleet: Fleet, told: dict[str, object], odd: str) -> None:
    body = json.dumps({"agent": fleet.agent, "budget": fleet.budget, "telemetry": told}).replace('"odd"', odd)
    headers = {"Authorization": f"Bearer {fleet.token}", protocol.HEADER: str(protocol.VERSION)}
    headers |= {"Content-Type": "application/json"}
    assert door.client.post("/worker/v1/sync", content=body, headers=headers).status_code == 200
