"""The options of one wish, best first, while memory is given away: only what changed is judged again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from enum import IntEnum
from heapq import heapify, heappop, heappush
from itertools import count

from scheduler.draft import Draft
from scheduler.options import Option
from scheduler.rank import placement_score, strain
from scheduler.seat import Seat
from shared.vocabulary import RunState

#: Options that are looked at closely when something has to end first.
CLOSE_LOOK = 8


class Tier(IntEnum):
    """What stands between a run and its place."""

    FITS = 0
    #: Memory is on its way back.
    SOON = 1
    #: Idle runs would have to end.
    IDLE = 2
    #: Runs at work would have to finish.
    BUSY = 3
    #: Pinned, starting or lost runs hold it.
    HELD = 4
    #: It takes no such work any more.
    CLOSED = 5


_Grade = tuple[int, float, str, str]


class Places:
    """A heap of graded options. A grade is good until its host changes; then the option is graded anew."""

    def __init__(self, draft: Draft, options: Iterable[Option], closed: Callable[[str], bool]) -> None:
        self._draft, self._closed = draft, closed
        self._by_host: defaultdict[str, list[Option]] = defaultdict(list)
        for option in options:
            self._by_host[option.host].append(option)
        self._seen = len(draft.changes)
        self._numbers = count()
        #: The newest grade of each option, with its number: entries of the heap that carry another are old.
        self._grades: dict[tuple[str, str], tuple[_Grade, int]] = {}
        self._heap: list[tuple[_Grade, int, Option]] = []
        #: Seconds of work, once loaded and all, that may use memory promised for later, by runtime.
        self.brief: dict[str, float] = {}

    @property
    def hosts(self) -> Collection[str]:
        return self._by_host.keys()

    @property
    def runtimes(self) -> set[str]:
        return {option.runtime for options in self._by_host.values() for option in options}

    def first(self, most: int, skip: Collection[str] = ()) -> list[tuple[Tier, Option]]:
        """The best options of runtimes that are not to be skipped, and what stands between."""
        self._refresh()
        found: list[tuple[_Grade, int, Option]] = []
        passed: list[tuple[_Grade, int, Option]] = []
        while self._heap and len(found) < most:
            entry = heappop(self._heap)
            _, number, option = entry
            if self._grades[option.host, option.runtime][1] == number:
                (passed if option.runtime in skip else found).append(entry)
        for entry in (*found, *passed):
            heappush(self._heap, entry)
        return [(Tier(grade[0]), option) for grade, _, option in found]

    def _refresh(self) -> None:
        if not self._grades:
            self._heap = [self._entry(option) for options in self._by_host.values() for option in options]
            heapify(self._heap)
        else:
            for host in dict.fromkeys(self._draft.changes[self._seen :]):
                for option in self._by_host.get(host, ()):
                    heappush(self._heap, self._entry(option))
        self._seen = len(self._draft.changes)

    def _entry(self, option: Option) -> tuple[_Grade, int, Option]:
        """Its tier, and what speaks against it there, for the heap."""
        tier, score = self._tier(option)
        grade, number = (int(tier), score, option.host, option.runtime), next(self._numbers)
        self._grades[option.host, option.runtime] = grade, number
        return grade, number, option

    def _tier(self, option: Option) -> tuple[Tier, float]:
        draft, host, need = self._draft, option.host, option.need
        if self._closed(host):
            return Tier.CLOSED, 0.0
        budget = draft.budgets[host]
        if budget.fits(need, self.brief.get(option.runtime)):
            return Tier.FITS, self._score(option)
        missing = budget.missing(need)
        if missing == 0:
            return Tier.SOON, self._score(option)
        idle, busy = reclaimable(draft.seats_on.get(host, ()))
        if missing <= idle:
            return Tier.IDLE, missing / max(draft.largest, 1)
        if missing <= idle + busy:
            return Tier.BUSY, draft.attempts_on[host] + missing / max(draft.largest, 1)
        return Tier.HELD, -float(budget.free)

    def _score(self, option: Option) -> float:
        draft = self._draft
        view = draft.snapshot.hosts[option.host]
        left = draft.budgets[option.host].free - option.need
        return placement_score(left, draft.largest, strain(view.load, draft.attempts_on[option.host], view.thermal))


def reclaimable(seats: Iterable[Seat]) -> tuple[int, int]:
    """Bytes that idle runs hold, and those of runs at work that could be let run dry."""
    idle = busy = 0
    for seat in seats:
        if seat.run.state == RunState.READY:
            if seat.evictable:
                idle += seat.run.held
            elif seat.drainable:
                busy += seat.run.held
    return idle, busy
