"""What the work of one worker uses of its host's energy.

What the host uses above idle at a moment is divided by the slots that work there at that moment: those of this worker,
which it knows itself, and all others, as its agent last told. The sum over time is what one slot has used; an attempt
used that much for each of its slots.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from workers.power import Counter

#: Seconds between two looks at the counter at least: attempts may begin and end a thousand times a second.
_LOOK = 0.01
#: Seconds after which the agent's word is too old.
_FRESH = 10.0


@dataclass(frozen=True, slots=True)
class _Mark:
    """How far the sum was, and how many stretches are missing in it."""

    joules: float
    gaps: int


class Stay:
    """An attempt at work."""

    def __init__(self, share: Share, slots: int) -> None:
        self._share, self.slots = share, slots
        self._began = share.mark()

    def joules(self) -> float | None:
        """Used so far, above idle; `None` when any part of that time is unknown."""
        mark = self._share.mark()
        if not self._share.counts or mark.gaps != self._began.gaps:
            return None
        return max(0.0, self.slots * (mark.joules - self._began.joules))


class Share:
    """The energy of one slot on this host, summed; safe in threads."""

    def __init__(self, counter: Counter | None, clock: Callable[[], float] = time.monotonic) -> None:
        self._counter, self._clock = counter, clock
        self._lock = threading.Lock()
        self._idle: float | None = None
        self._others = 0
        self._heard = clock()
        self._slots = 0
        self._sum = _Mark(0.0, 0)
        self._at, self._read = clock(), counter.joules() if counter is not None else None

    @property
    def counts(self) -> bool:
        """Is there a counter to read?"""
        return self._counter is not None

    @property
    def slots(self) -> int:
        """In use by this worker."""
        return self._slots

    def tell(self, idle: float | None, others: int) -> None:
        """The agent's news: watts of the idle host, and slots in use there by others than this worker."""
        with self._lock:
            self._look(now=True)
            self._idle, self._others, self._heard = idle, others, self._clock()

    @contextmanager
    def using(self, slots: int) -> Iterator[Stay]:
        """So many slots more are in use."""
        stay = Stay(self, slots)
        self._change(slots)
        try:
            yield stay
        finally:
            self._change(-slots)

    def mark(self) -> _Mark:
        with self._lock:
            self._look()
            return self._sum

    def _change(self, slots: int) -> None:
        with self._lock:
            self._look()
            self._slots += slots

    def _look(self, *, now: bool = False) -> None:
        """Add what was used since the last look."""
        at = self._clock()
        if self._counter is None or (at - self._at < _LOOK and not now):
            return
        read = self._counter.joules()
        if read is None or self._read is None or self._idle is None or at - self._heard > _FRESH:
            self._sum = _Mark(self._sum.joules, self._sum.gaps + 1)
        else:
            above = read - self._read - self._idle * (at - self._at)
            self._sum = _Mark(self._sum.joules + above / max(1, self._slots + self._others), self._sum.gaps)
        self._at, self._read = at, read
