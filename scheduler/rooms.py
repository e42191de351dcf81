"""The hosts of a fleet, sorted by what they have room for: the tightest fit is found without asking them all."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum

from scheduler.room import Room


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


def tier_of(room: Room, need: int) -> Tier:
    """What stands between a need of so many bytes and a host with this room."""
    return next((tier for tier in _REACHED if need <= _reach(room, tier)), Tier.HELD)


def _reach(room: Room, tier: Tier) -> int:
    """The largest need of a tier on a host."""
    if tier == Tier.FITS:
        return room.fits
    if tier == Tier.SOON:
        return room.later
    return room.later + room.idle + (room.busy if tier == Tier.BUSY else 0)


_REACHED = (Tier.FITS, Tier.SOON, Tier.IDLE, Tier.BUSY)


class Rooms:
    """Hosts by the largest need they could meet, in each tier."""

    def __init__(self, rooms: Mapping[str, Room]) -> None:
        self._reaches = {name: _reaches(room) for name, room in rooms.items()}
        self._sorted = {tier: sorted((reach[tier], name) for name, reach in self._reaches.items()) for tier in _REACHED}

    def change(self, host: str, room: Room) -> None:
        """The room of a host is another now."""
        old, new = self._reaches[host], _reaches(room)
        self._reaches[host] = new
        for tier in _REACHED:
            if old[tier] != new[tier]:
                entries = self._sorted[tier]
                del entries[bisect_left(entries, (old[tier], host))]
                insort(entries, (new[tier], host))

    def holding(self, tier: Tier, need: int) -> Iterator[str]:
        """Hosts that could meet `need` in this tier, the tightest first."""
        entries = self._sorted[tier]
        for place in range(bisect_left(entries, (need, "")), len(entries)):
            yield entries[place][1]

    def roomiest(self) -> Iterable[str]:
        """All hosts, those with most free first."""
        return (name for _, name in reversed(self._sorted[Tier.FITS]))


def _reaches(room: Room) -> tuple[int, ...]:
    return tuple(_reach(room, tier) for tier in _REACHED)
