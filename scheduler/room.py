"""What a host has for a run, in a few numbers that are worked out again only when something on the host changes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from scheduler.budget import Budget
from scheduler.rank import strain
from scheduler.seat import Seat
from scheduler.views import HostView
from shared.vocabulary import RunState


class Room(NamedTuple):
    """Bytes, but for `strain` and `attempts`."""

    #: The largest need that fits now without delaying anyone; and once the runs that are to end have ended.
    fits: int
    later: int
    #: What nobody holds.
    free: int
    #: What idle runs hold, and runs at work that could be let run dry.
    idle: int
    busy: int
    strain: float
    attempts: int


def room_of(host: HostView, budget: Budget, seats: Iterable[Seat], attempts: int) -> Room:
    """The numbers as they are now."""
    free = budget.free
    later = free + budget.leaving + budget.expected - budget.promised
    idle = busy = 0
    for seat in seats:
        if seat.run.state == RunState.READY:
            if seat.evictable:
                idle += seat.run.held
            elif seat.drainable:
                busy += seat.run.held
    return Room(min(free, later), later, free, idle, busy, strain(host.load, attempts, host.thermal), attempts)
