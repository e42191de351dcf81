"""A rate that all transfers of a host share."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from shared.downloads.interrupt import Interrupt

#: Seconds' worth of bytes that may come at once after a pause.
_BURST = 0.25


class Throttle:
    """A bucket of bytes that fills at the lowest of two rates: the host's own, and its share of the fleet's.

    `None` is no limit; both are bytes per second and may change while transfers run. Whoever takes more than there is
    leaves a debt and waits until it is paid, so pieces of any size pass and the mean holds.
    """

    def __init__(self, rate: int | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._own = rate
        self._share: int | None = None
        self._clock = clock
        self._lock = threading.Lock()
        self._level = 0.0
        self._looked = clock()

    @property
    def rate(self) -> int | None:
        """Bytes per second that may come now."""
        limits = [limit for limit in (self._own, self._share) if limit is not None]
        return min(limits) if limits else None

    def share(self, rate: int | None) -> None:
        """What the fleet leaves to this host."""
        with self._lock:
            self._settle()
            self._share = rate

    def take(self, count: int, interrupt: Interrupt) -> None:
        """Account for bytes that came; waits as long as they were too many. Raises Interrupted."""
        if (owed := self._owed(count)) > 0:
            interrupt.wait(owed)

    def _owed(self, count: int) -> float:
        """Seconds until the bucket is level again."""
        with self._lock:
            self._settle()
            rate = self.rate
            if rate is None:
                self._level = 0.0
                return 0.0
            self._level -= count
            return -self._level / rate

    def _settle(self) -> None:
        """Fill up for the time since the last look."""
        moment = self._clock()
        if (rate := self.rate) is not None:
            self._level = min(rate * _BURST, self._level + (moment - self._looked) * rate)
        self._looked = moment
