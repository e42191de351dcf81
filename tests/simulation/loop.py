"""Virtual time: what is due next happens next."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Loop:
    """A clock that jumps from one action to the next; those of the same moment keep their order."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._due: list[tuple[float, int, Action]] = []
        self._numbers = count()

    def after(self, seconds: float, action: Action) -> None:
        """Do this in so many seconds from now."""
        heapq.heappush(self._due, (self.now + seconds, next(self._numbers), action))

    def run(self, until: float, enough: Callable[[], bool] = lambda: False) -> int:
        """Act until that time, or until it is enough; how many actions it took."""
        steps = 0
        while self._due and self._due[0][0] <= until and not enough():
            self.now, _, action = heapq.heappop(self._due)
            action()
            steps += 1
        return steps
