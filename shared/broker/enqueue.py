"""Putting messages on a lane: many in one round trip, and the bell in the same script."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import dramatiq
import redis

from shared.broker.bell import RING
from shared.lane import bell_key

#: Messages in one script call: far below what Lua can unpack, and well under a millisecond of the server's time.
_AT_ONCE = 500

#: KEYS: queue, its messages, its bell. ARGV: id, body, id, body, …
#: Unlike Dramatiq's own script it writes no heartbeat: who only sends is no worker.
_ENQUEUE = f"""
redis.call("hset", KEYS[2], unpack(ARGV))
for i = 1, #ARGV, 2 do
    redis.call("rpush", KEYS[1], ARGV[i])
end
{RING}
"""


class Enqueue:
    """Puts Dramatiq messages on their lanes in Dramatiq's own layout."""

    def __init__(self, client: redis.Redis, namespace: str) -> None:
        self._namespace = namespace
        self._script = client.register_script(_ENQUEUE)

    def __call__(self, lane: str, messages: Sequence[dramatiq.Message[None]]) -> None:
        """Append `messages` to `lane` in order. Raises redis.RedisError; those sent so far stay."""
        queue = f"{self._namespace}:{lane}"
        keys = [queue, f"{queue}.msgs", bell_key(self._namespace, lane)]
        for start in range(0, len(messages), _AT_ONCE):
            self._script(keys=keys, args=_pairs(messages[start : start + _AT_ONCE]))


def _pairs(messages: Sequence[dramatiq.Message[None]]) -> list[str | bytes]:
    """Ids and bodies in turn; each message gets an id of its own in Redis, since it may be sent twice."""
    pairs: list[str | bytes] = []
    for message in messages:
        redis_id = str(uuid4())
        pairs += (redis_id, message.copy(options={"redis_message_id": redis_id}).encode())
    return pairs
