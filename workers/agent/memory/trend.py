"""What a few seconds of measurements say together. Pure: times come in with the values, in seconds."""

from __future__ import annotations

from collections import deque

from shared.units import Bytes
from workers.agent.memory.ceiling import Ceiling

#: Seconds over which the ceiling is settled, and over which swap counts as growing.
_SETTLING, _SWAPPING = 5.0, 30.0
#: A ceiling replaces the last good one once so many measurements agree on it.
_ENOUGH = 3


class SteadyCeiling:
    """The median of the last seconds, without those in which a run of ours loads.

    While a model loads, its memory is neither free any more nor counted as the run's yet, so that a ceiling taken then
    is far too low; the last good one holds until enough was measured again.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, Ceiling]] = deque()
        self._good: Ceiling | None = None

    def note(self, at: float, ceiling: Ceiling, *, loading: bool) -> Ceiling:
        """The ceiling to go by after this measurement."""
        while self._seen and self._seen[0][0] <= at - _SETTLING:
            self._seen.popleft()
        if loading:
            self._seen.clear()
            return self._good or ceiling
        self._seen.append((at, ceiling))
        if self._good is None or len(self._seen) >= _ENOUGH:
            ranked = sorted((one for _, one in self._seen), key=lambda one: one.size)
            self._good = ranked[(len(ranked) - 1) // 2]
        return self._good


class SwapTrend:
    """How much more is swapped out than at the least within the last half minute."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def note(self, at: float, used: Bytes | None) -> Bytes:
        """Bytes of growth; 0 while unknown."""
        while self._seen and self._seen[0][0] <= at - _SWAPPING:
            self._seen.popleft()
        if used is None:
            return Bytes(0)
        self._seen.append((at, used))
        return Bytes(used - min(one for _, one in self._seen))
