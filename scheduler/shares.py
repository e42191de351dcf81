"""Fair shares: stride scheduling over the parts of the queue.

Each part has a pass number, work done divided by weight; in a class, whoever has the lowest goes first. A class has a
number too: the pass of whoever was served last in it. A part that comes, or comes back, starts there and not at its
own old number, so nobody saves up a share for later.
"""

from __future__ import annotations

from collections.abc import Mapping

from scheduler.views import QueueView
from shared.vocabulary import Priority

_CLASSES = tuple(f"class:{priority}" for priority in Priority)
#: Keeps the number of contended places given, which says when the oldest's turn is.
_ALL = "all"


class Shares:
    """The pass numbers while a plan is made. While only one part waits nothing is counted: nobody is there to share."""

    def __init__(self, queues: Mapping[str, QueueView], *, contended: bool) -> None:
        self._queues = queues
        self._contended = contended
        self._passes: dict[str, float] = {}
        #: Work that this plan has seen to but not assigned: it counts in this plan only.
        self._lent: dict[str, float] = {}

    def standing(self, queue: str, place: int) -> float:
        """Where a part of the queue stands in class `place`: the lowest goes first."""
        own, others = self._pass(queue), self._pass(_CLASSES[place])
        standing = own if own > others else others
        return standing + self._lent[queue] if queue in self._lent else standing

    def charge(self, queue: str, place: int, cost: float, *, in_turn: bool) -> None:
        """It was given work that costs so much; out of turn, that says nothing of where the class stands."""
        if not self._contended:
            return
        standing = max(self._pass(queue), self._pass(_CLASSES[place]))
        if in_turn:
            self._passes[_CLASSES[place]] = standing
        self._passes[queue] = standing + cost / self._weight(queue)

    def lend(self, queue: str, cost: float) -> None:
        """Something is being made ready for it."""
        if self._contended:
            self._lent[queue] = self._lent.get(queue, 0.0) + cost / self._weight(queue)

    @property
    def given(self) -> int:
        """Contended places given so far, in this plan and before."""
        return int(self._pass(_ALL))

    def count(self) -> None:
        """One more."""
        self._passes[_ALL] = self._pass(_ALL) + 1.0

    def changed(self) -> dict[str, float]:
        """The numbers to keep."""
        return dict(self._passes)

    def _pass(self, name: str) -> float:
        known = self._passes.get(name)
        if known is None:
            row = self._queues.get(name)
            known = row.stride_pass if row else 0.0
        return known

    def _weight(self, queue: str) -> float:
        row = self._queues.get(queue)
        return row.weight if row and row.weight > 0 else 1.0
