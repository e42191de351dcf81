"""How much power this host draws, and how much of that when nothing works on it.

Idle is the middle of what was measured in the last minute without work, so that neither a browser tab nor one quiet
moment decides; until there were some such moments it is unknown, and nobody is charged anything.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

from workers.power import Counter

#: Seconds over which a power is measured at least.
_SPAN = 1.0
#: Measurements without work that idle is read from, at most and at least.
_MOST, _LEAST = 31, 3


class PowerWatch:
    """Read at each sync; without a counter it knows nothing."""

    def __init__(self, counter: Counter | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter, self._clock = counter, clock
        self._idle: deque[float] = deque(maxlen=_MOST)
        self._began = counter.joules() if counter is not None else None
        self._at, self._read, self._worked = clock(), self._began, True
        self._watts: float | None = None

    @property
    def idle(self) -> float | None:
        """Watts; `None` until it is known."""
        return median(self._idle) if len(self._idle) >= _LEAST else None

    def look(self, *, working: bool) -> None:
        """Measure; `working` tells whether this host has something to do now."""
        at = self._clock()
        if self._counter is None or at - self._at < _SPAN:
            self._worked = self._worked or working
            return
        read = self._counter.joules()
        self._watts = None
        if read is not None and self._read is not None:
            self._watts = (read - self._read) / (at - self._at)
            if not self._worked and not working:
                self._idle.append(self._watts)
        self._at, self._read, self._worked = at, read, working

    def told(self) -> dict[str, object]:
        """The fields of `Telemetry` that are known here."""
        if self._counter is None or self._read is None or self._began is None or self._watts is None:
            return {}
        known: dict[str, object] = {"power_watts": round(self._watts, 3), "power_source": self._counter.source}
        known["joules"] = round(self._read - self._began, 3)
        if (idle := self.idle) is not None:
            known["idle_watts"] = round(idle, 3)
        return known
