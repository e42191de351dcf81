"""Virtual time: what happens when. Things at the same moment happen in the order they were put down."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from itertools import count

Action = Callable[[], None]


class Agenda:
    """A queue of actions by time, in seconds from the beginning."""

    def __init__(self) -> None:
        self.now = 0.0
        self._queue: list[tuple[float, int, Action]] = []
        self._numbers = count()

    def at(self, moment: float, action: Action) -> None:
        """Do `action` at `moment`, or now when that is over."""
        heapq.heappush(self._queue, (max(moment, self.now), next(self._numbers), action))

    def after(self, seconds: float, action: Action) -> None:
        self.at(self.now + seconds, action)

    @property
    def next(self) -> float | None:
        """When something happens next; `None`: never."""
        return self._queue[0][0] if self._queue else None

    def take(self) -> list[Action]:
        """Go to the next moment: everything that happens then."""
        if not self._queue:
            return []
        self.now = self._queue[0][0]
        actions = []
        while self._queue and self._queue[0][0] == self.now:
            actions.append(heapq.heappop(self._queue)[2])
        return actions
