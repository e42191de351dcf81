"""The doorbell: a Redis list that one side pushes to and the other blocks on."""

from __future__ import annotations

import time
from threading import Event
from typing import Any

import redis

#: Rings the bell KEYS[#KEYS]. However often it is rung, one ring waits, and not for ever when nobody listens.
RING = """
local bell = KEYS[#KEYS]
redis.call("rpush", bell, 1)
redis.call("ltrim", bell, -1, -1)
redis.call("expire", bell, 60)
"""

#: Seconds between two looks at the interrupt while a blocking pop is under way; costs no Redis command.
_GLANCE = 0.1
#: Seconds that an answer may come late before the server counts as silent.
_GRACE = 0.5
#: Redis blocks for ever when told to wait 0 seconds.
_SHORTEST = 0.01


class Bell:
    """One bell, rung from any process and awaited by one thread.

    A ring that comes before `wait` is kept for it; several rings are one.
    """

    def __init__(self, client: redis.Redis, key: str) -> None:
        self._pool = client.connection_pool
        self._key = key
        self._ring = client.register_script(RING)

    def ring(self) -> None:
        """Wake whoever waits. Raises redis.RedisError."""
        self._ring(keys=[self._key])

    def wait(self, timeout: float, interrupt: Event) -> bool:
        """Wait up to `timeout` seconds and say whether it rang; False at once when `interrupt` is set.

        Raises redis.RedisError, also when the server is silent.
        """
        connection: Any = self._pool.get_connection()
        answered = False
        try:
            connection.send_command("BLPOP", self._key, max(timeout, _SHORTEST))
            answered = _readable(connection, timeout + _GRACE, interrupt)
            return answered and connection.read_response() is not None
        finally:
            if not answered:
                # The pop is still pending on the server; only hanging up takes it back.
                connection.disconnect()
            self._pool.release(connection)


def _readable(connection: Any, timeout: float, interrupt: Event) -> bool:
    deadline = time.monotonic() + timeout
    while not connection.can_read(_GLANCE):
        if interrupt.is_set():
            return False
        if time.monotonic() > deadline:
            raise redis.TimeoutError("Redis took a command and did not answer")
    return True
