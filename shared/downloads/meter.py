"""How much has come, and how fast, across all transfers of a job."""

from __future__ import annotations

import threading
import time
from collections import deque

#: Seconds the rate looks back.
WINDOW = 5.0


class Meter:
    """Bytes done of a total, counted from many threads."""

    def __init__(self, total: int | None) -> None:
        self.total = total
        self.done = 0
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

    def rate(self) -> float | None:
        """Bytes per second of the last five seconds; `None` before anything came."""
        now = time.monotonic()
        with self._lock:
            self._samples.append((now, self._received))
            while len(self._samples) > 2 and self._samples[1][0] < now - WINDOW:
                self._samples.popleft()
            then, before = self._samples[0]
            return (self._received - before) / (now - then) if self._received and now > then else None
