"""The hosts of a fleet, sorted by what they have room for: the tightest fit is found without asking them all."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

from scheduler.room import Room, Tier

_TIERS = tuple(Tier)


class Rooms:
    """Hosts by the largest need they could meet, in each tier."""

    def __init__(self, rooms: Mapping[str, Room]) -> None:
        self._reaches = {name: room.reach for name, room in rooms.items()}
        self._sorted = {tier: sorted((reach[tier], name) for name, reach in self._reaches.items()) for tier in _TIERS}

    def change(self, host: str, room: Room) -> None:
        """The room of a host is another now."""
        old, new = self._reaches[host], room.reach
        self._reaches[host] = new
        for tier in _TIERS:
            if old[tier] != new[tier]:
                entries = self._sorted[tier]
                del entries[bisect_left(entries, (old[tier], host))]
                insort(entries, (new[tier], host))

    def holding(self, tier: Tier, need: int) -> Iterator[tuple[int, str]]:
        """Hosts that could meet `need` in this tier, the tightest first, each after the largest need that it could."""
        entries = self._sorted[tier]
        return islice(entries, bisect_left(entries, (need, "")), None)

    def roomiest(self) -> Iterable[str]:
        """All hosts, those with most free first."""
        return (name for _, name in reversed(self._sorted[Tier.FITS]))
