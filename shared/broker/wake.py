"""The scheduler's alarm: anyone rings it, the scheduler wakes before its next tick."""

from __future__ import annotations

import time
from threading import Event, Lock, Thread

import redis

from shared.broker.bell import Bell
from shared.broker.connection import connect
from shared.lane import bell_key

#: Seconds to wait for an answer of Redis.
_TIMEOUT = 0.5


class Wake:
    """Rings and waits; either side may be down, for the tick heals what a ring missed."""

    def __init__(self, redis_url: str, namespace: str = "cidermill") -> None:
        self._client = connect(redis_url, _TIMEOUT)
        self._bell = Bell(self._client, bell_key(namespace, "scheduler"))
        self._wanted = Event()
        self._closed = Event()
        self._starting = Lock()
        self._waiting = Lock()
        self._ringer: Thread | None = None
        #: Rings that Redis did not take; a metric, not an error.
        self.failures = 0

    def ring(self) -> None:
        """Wake the scheduler soon and return at once: a thread rings, once for all calls in between."""
        self._wanted.set()
        with self._starting:
            if self._ringer is None:
                self._ringer = Thread(target=self._ring_when_wanted, name="wake", daemon=True)
                self._ringer.start()

    def wait(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds and say whether it rang; without Redis that is never."""
        deadline = time.monotonic() + timeout
        with self._waiting:
            try:
                return self._bell.wait(timeout, self._closed)
            except redis.RedisError:
                self._closed.wait(max(0.0, deadline - time.monotonic()))
                return False

    def close(self) -> None:
        """End a `wait` under way and the ringing thread, and hang up."""
        self._closed.set()
        self._wanted.set()
        if self._ringer is not None:
            self._ringer.join()
        # A connection must not be closed under the thread that reads from it.
        with self._waiting:
            self._client.close()

    def _ring_when_wanted(self) -> None:
        while self._wanted.wait() and not self._closed.is_set():
            self._wanted.clear()
            try:
                self._bell.ring()
            except redis.RedisError:
                self.failures += 1
