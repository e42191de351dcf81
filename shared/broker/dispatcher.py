"""The sending side of the lanes, used by the scheduler after its commit."""

from __future__ import annotations

import time
from collections.abc import Sequence

import redis

from shared.broker.connection import address, connect
from shared.broker.enqueue import Enqueue
from shared.broker.messages import Hint, message
from shared.errors import Unavailable

#: Seconds to wait for Redis: connecting and the answer together stay under one.
_TIMEOUT = 0.4
#: Seconds to leave Redis alone after it failed, so that a tick with many lanes waits for it once.
_TRUCE = 1.0


class Dispatcher:
    """Sends hints to lanes; safe to use from several threads."""

    def __init__(self, redis_url: str, namespace: str = "cidermill") -> None:
        self._client = connect(redis_url, _TIMEOUT)
        self._enqueue = Enqueue(self._client, namespace)
        self._truce_until = 0.0

    def dispatch(self, lane: str, hints: Sequence[Hint]) -> None:
        """Send `hints` to `lane` in order and ring its bell, one round trip per 500.

        Raises Unavailable within a second when Redis is down. Some hints may have arrived then; sending all of them
        again is harmless.
        """
        if time.monotonic() < self._truce_until:
            raise self._unavailable("it did not answer a moment ago")
        try:
            self._enqueue(lane, [message(lane, hint) for hint in hints])
        except redis.RedisError as error:
            self._truce_until = time.monotonic() + _TRUCE
            raise self._unavailable(str(error)) from error

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def _unavailable(self, why: str) -> Unavailable:
        return Unavailable(
            f"Redis at {address(self._client)} takes no messages", why, "start Redis; what waits is sent by itself then"
        )
