"""What hosts measure, where a counter of theirs is broken."""

from __future__ import annotations

import json

import pytest

from shared import protocol
from tests.api.fleet import Fleet
from tests.api.served import Served

_FIGURES = ("joules", "power_watts", "idle_watts", "cpu_percent", "gpu_percent", "load")


@pytest.mark.parametrize("odd", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_host_with_a_broken_counter_lives_on_and_its_figures_are_unknown(
    door: Served, fleet: Fleet, odd: str
) -> None:
    told = dict.fromkeys(_FIGURES, "odd") | {"thermal": "nominal"}
    body = json.dumps({"agent": fleet.agent, "budget": fleet.budget, "telemetry": told}).replace('"odd"', odd)
    headers = {"Authorization": f"Bearer {fleet.token}", protocol.HEADER: str(protocol.VERSION)}
    headers |= {"Content-Type": "application/json"}
    assert door.client.post("/worker/v1/sync", content=body, headers=headers).status_code == 200
    answer = door.get("/v1/hosts")
    assert answer.status_code == 200, answer.text
    [host] = answer.json()["data"]
    assert host["telemetry"] == {"thermal": "nominal"}
