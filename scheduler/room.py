"""What a host has for a run, in a few numbers that are worked out again only when something on the host changes."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from scheduler.budget import Budget
from scheduler.rank import strain
from scheduler.seat import Seat
from scheduler.views import HostView
from shared.vocabulary import RunState


class Tier(IntEnum):
    """What stands between a run and its place."""

    FITS = 0
    #: Memory is on its way back.
    SOON = 1
    #: Idle runs would have to end.
    IDLE = 2
    #: Runs at work would have to finish.
    BUSY = 3


class Room(NamedTuple):
    """Bytes, but for `strain`."""

    #: The largest need that the host could meet, by tier; without delaying anyone to whom memory is promised.
    reach: tuple[int, int, int, int]
    #: What nobody holds.
    free: int
    strain: float


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
    reach = (min(free, later), later, later + idle, later + idle + busy)
    return Room(reach, free, strain(host.load, attempts, host.thermal))
