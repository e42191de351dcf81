"""What lanes cost Redis."""

from __future__ import annotations

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


def test_an_idle_lane_asks_a_handful_of_commands_each_time_it_waits(valkey: str, listen: Listen) -> None:
    lanes = 5
    with redis.Redis.from_url(valkey) as client:
        for number in range(lanes):
            listen(valkey, Heard(), lane=f"mini.runtime-{number}")
        eventually(lambda: client.info("clients")["blocked_clients"] == lanes)
        client.config_resetstat()
        eventually(lambda: calls(client).get("blpop", 0) >= lanes)
        eventually(lambda: client.info("clients")["blocked_clients"] == lanes)
        asked = calls(client)
        assert sum(asked.values()) <= 6 * asked["blpop"], asked


def test_a_burst_is_heard_whole(valkey: str, dispatcher: Dispatcher, listen: Listen) -> None:
    heard = Heard()
    dispatcher.dispatch(LANE, [AttemptRef(job_id=f"job_{number}", attempt=1) for number in range(3_000)])
    listen(valkey, heard, prefetch=64)
    heard.wait(3_000)
    assert len({job for job, _ in heard.executes}) == 3_000
