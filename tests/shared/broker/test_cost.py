"""What lanes cost Redis."""

from __future__ import annotations

import time

import redis

from shared.broker import Dispatcher
from shared.protocol import AttemptRef
from tests.shared.broker.conftest import LANE, Listen
from tests.shared.broker.heard import Heard
from tests.waiting import eventually


def calls(client: redis.Redis) -> dict[str, int]:
    """How often each command ran since the last reset, those inside scripts included, ours left out."""
    counts = {name.removeprefix("cmdstat_"): values["calls"] for name, values in client.info("commandstats").items()}
    return {name: count for name, count in counts.items() if not name.startswith(("info", "config", "script"))}


def test_five_idle_lanes_cost_less_than_ten_commands_a_second(valkey: str, listen: Listen) -> None:
    with redis.Redis.from_url(valkey) as client:
        for number in range(5):
            listen(valkey, Heard(), lane=f"mini.runtime-{number}")
        eventually(lambda: client.info("clients")["blocked_clients"] == 5)
        client.config_resetstat()
        began = time.monotonic()
        eventually(lambda: calls(client).get("blpop", 0) >= 5)
        eventually(lambda: client.info("clients")["blocked_clients"] == 5)
        assert sum(calls(client).values()) / (time.monotonic() - began) < 10


def test_a_burst_drains_at_thousands_a_second(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    dispatcher.dispatch(LANE, [AttemptRef(job_id=f"job_{number}", attempt=1) for number in range(3_000)])
    began = time.monotonic()
    listen(valkey, heard, prefetch=64)
    heard.wait(3_000, within=10)
    assert 3_000 / (time.monotonic() - began) > 1_000
