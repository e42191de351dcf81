"""The order in which waiting work is looked at: class, then fair share, then age; now and then a lower class is next.

Work is kept by class and part of the queue, in each part by shape, and of each shape only the first is looked at: so
the order costs what is given away, not what waits.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from heapq import heappop, heappush, heapreplace
from itertools import count

from scheduler.rank import OLDEST_TURN, effective_class
from scheduler.shares import Shares
from scheduler.views import JobView, RunView

Item = JobView | RunView
_Age = tuple[float, str]


def age(item: Item) -> _Age:
    """Older work has the lower one."""
    return (item.queued_at if isinstance(item, JobView) else item.created_at), item.id


@dataclass(slots=True, eq=False)
class Line:
    """Work of one shape, oldest first; a pending run is a line of its own."""

    items: deque[Item]
    rank: int
    #: Empty for runs, which go before the jobs of their class: nobody's share is used for them.
    queue: str
    #: The age of the first, kept because it is asked for far more often than it changes; `None`: the line is empty.
    first: _Age | None = field(init=False)

    def __post_init__(self) -> None:
        self.first = age(self.items[0]) if self.items else None

    def take(self) -> Item:
        """The first, which leaves the line."""
        item = self.items.popleft()
        self.first = age(self.items[0]) if self.items else None
        return item


@dataclass(frozen=True, slots=True)
class Turn:
    """Whose turn it is, out of which line, in which class; `in_turn` unless it is looked at for its age."""

    item: Item
    line: Line
    place: int
    in_turn: bool = True


@dataclass(slots=True, eq=False)
class _Part:
    """Lines of one class and one part of the queue, by the age of their first; numbers keep equal entries apart."""

    place: int
    queue: str
    lines: list[tuple[_Age, int, Line]] = field(default_factory=list)

    def first(self) -> _Age | None:
        """The age of its oldest line, once those that were served elsewhere are gone."""
        while self.lines and self.lines[0][0] != self.lines[0][2].first:
            heappop(self.lines)
        return self.lines[0][0] if self.lines else None


class Turns:
    """Takes the first of a line at a time; who took it puts the line back, unless its others would fare no better."""

    def __init__(self, lines: Iterable[Line], shares: Shares, now: float, *, mixed: bool) -> None:
        self._shares, self._now = shares, now
        self._numbers = count()
        self._parts: dict[tuple[int, str], _Part] = {}
        self._heap: list[tuple[int, float, _Age, int, _Part]] = []
        #: Lines by class, those with the oldest first in front.
        self._oldest: dict[int, list[tuple[_Age, int, Line]]] = {}
        for line in lines:
            self._put(line)
        #: Classes compete, so that somebody could be overtaken for ever.
        self.mixed = mixed
        self._settled = False

    def next(self) -> Turn | None:
        """`None` when all lines are empty or closed."""
        if self.mixed and not self._settled and self._shares.given % OLDEST_TURN == OLDEST_TURN - 1:
            turn = self._pop_oldest()
            if turn is not None:
                return turn
        return self._pop_first()

    def put_back(self, line: Line) -> None:
        """Its first was dealt with; the next one waits for its turn."""
        self._put(line)

    def settle(self) -> None:
        """The oldest has had its turn in this plan: it got something, or is the next to get it."""
        self._settled = True

    def _pop_oldest(self) -> Turn | None:
        """The oldest of all classes but the most urgent, where fair shares see to it that everybody is served."""
        fronts = [(place, front) for place in sorted(self._oldest) if (front := self._front(place)) is not None]
        if len(fronts) < 2:
            return None
        place, (_, _, line) = min(fronts[1:], key=lambda each: each[1][:2])
        heappop(self._oldest[place])
        return Turn(line.take(), line, place, in_turn=False)

    def _front(self, place: int) -> tuple[_Age, int, Line] | None:
        lines = self._oldest[place]
        while lines and lines[0][0] != lines[0][2].first:
            heappop(lines)
        return lines[0] if lines else None

    def _pop_first(self) -> Turn | None:
        heap = self._heap
        while heap:
            place, standing, first, number, part = heap[0]
            current = part.first()
            if current is None:
                heappop(heap)
                continue
            stands = self._standing(part)
            if current != first or stands != standing:
                heapreplace(heap, (place, stands, current, number, part))
                continue
            _, _, line = heappop(part.lines)
            return Turn(line.take(), line, place)
        return None

    def _put(self, line: Line) -> None:
        first = line.first
        if first is None:
            return
        place = effective_class(line.rank, first[0], self._now)
        part = self._parts.get((place, line.queue))
        if part is None:
            part = self._parts[place, line.queue] = _Part(place, line.queue)
        number = next(self._numbers)
        heappush(part.lines, (first, number, line))
        heappush(self._oldest.setdefault(place, []), (first, number, line))
        if part.lines[0][1] == number:
            heappush(self._heap, (place, self._standing(part), first, number, part))

    def _standing(self, part: _Part) -> float:
        return self._shares.standing(part.queue, part.place) if part.queue else -1.0
