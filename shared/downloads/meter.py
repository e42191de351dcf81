"""How much has come, and how fast, across all transfers of a job."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from shared.downloads.interrupt import Interrupt
from shared.downloads.throttle import Throttle

#: Seconds the rate looks back.
WINDOW = 5.0


class Meter:
    """Bytes done of a total, counted from many threads; `throttle` paces what comes from a network."""

    def __init__(self, total: int | None, throttle: Throttle | None = None) -> None:
        self.total = total
        self.done = 0
        self._throttle = throttle
        self._lock = threading.Lock()
        self._samples: deque[tuple[float, int]] = deque([(time.monotonic(), 0)])
        self._received = 0

    def found(self, count: int) -> None:
        """Bytes that were here already, or, below zero, that had to be thrown away."""
        with self._lock:
            self.done += count

    def received(self, count: int) -> None:
        with self._lock:
            self.done += count
            self._received += count

    def pace(self, count: int, interrupt: Interrupt) -> None:
        """Wait as long as bytes that just came were too fast. Raises Interrupted."""
        if self._throttle is not None:
            self._throttle.take(count, interrupt)

    def rate(self) -> float | None:
        """Bytes per second of the last five seconds; `None` before anything came."""
        now = time.monotonic()
        with self._lock:
            self._samples.append((now, self._received))
            while len(self._samples) > 2 and self._samples[1][0] < now - WINDOW:
                self._samples.popleft()
            then, before = self._samples[0]
            return (self._received - before) / (now - then) if self._received and now > then else None


class Counted:
    """What of one file a meter counts while another download fills it; `told` is called when that begins."""

    def __init__(self, meter: Meter, told: Callable[[], None]) -> None:
        self._meter, self._told = meter, told
        self._count: int | None = None

    def share(self, size: int) -> None:
        """The other one has come this far."""
        if self._count is None:
            self._told()
        self.settle(size)

    def settle(self, size: int) -> None:
        """So much is here now, whoever brought it."""
        self._meter.found(size - (self._count or 0))
        self._count = size
