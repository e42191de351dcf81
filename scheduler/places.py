"""Where a run could be loaded, best first, while memory is given away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from scheduler.draft import Draft
from scheduler.options import Offers, Option
from scheduler.rank import placement_score
from scheduler.rooms import Tier, tier_of

#: Options that are compared with each other: all of a small fleet, those that fit most tightly of a large one.
COMPARED = 32
#: Up to so many hosts are all asked.
_FEW = 64


class Places:
    """Options of one wish. Nothing is remembered of their memory, which changes with every decision."""

    def __init__(self, draft: Draft, offers: Offers) -> None:
        self._draft, self._offers = draft, offers
        self._few = offers.hosts if len(offers.hosts) <= _FEW else None
        #: Seconds of load and work, by runtime where they are known: what is over so soon delays nobody.
        self.seconds: dict[str, float] = {}

    @property
    def hosts(self) -> Collection[str]:
        """Hosts that have the model, whether or not they take it."""
        return self._offers.hosts

    def runtimes(self) -> set[str]:
        """Runtimes that would load it somewhere."""
        return self._offers.runtimes()

    def fitting(self, skip: Collection[str] = (), taken: Collection[str] = ()) -> Option | None:
        """The best place where it fits now, on no host that is `taken` and by no runtime to `skip`."""
        options = (option for option in self._reaching(Tier.FITS, skip) if option.host not in taken)
        return min(islice(options, COMPARED), key=self._score, default=None) or self._brief(skip, taken)

    def idling(self, taken: Collection[str]) -> list[Option]:
        """Where idle runs are in the way, on no host that is `taken`; none while it soon fits on another of them."""
        if any(option.host not in taken for option in self._reaching(Tier.SOON, ())):
            return []
        options = (option for option in self._reaching(Tier.IDLE, ()) if option.host not in taken)
        return list(islice(options, COMPARED))

    def waiting(self, skip: Collection[str] = ()) -> list[tuple[Tier, Option]]:
        """What comes nearest where nothing fits: memory on its way back, else idle and busy runs in the way."""
        soon = list(islice(self._reaching(Tier.SOON, skip), COMPARED))
        if soon:
            return [(Tier.SOON, min(soon, key=self._score))]
        idle = [(Tier.IDLE, option) for option in islice(self._reaching(Tier.IDLE, skip), COMPARED)]
        found = {option for _, option in idle}
        busy = (option for option in self._reaching(Tier.BUSY, skip) if option not in found)
        return idle + [(Tier.BUSY, option) for option in islice(busy, COMPARED)]

    def left(self, taken: Collection[str]) -> bool:
        """Some host that is not `taken` has the model and takes the run, now or later."""
        return any(self._offers.of(host) for host in self._offers.hosts if host not in taken)

    def any(self, most: int, skip: Collection[str] = ()) -> list[Option]:
        """So many options, those with most free memory."""
        hosts: Iterable[str] = self._draft.rooms.roomiest()
        if self._few is not None:
            hosts = sorted(self._few, key=lambda host: (-self._draft.budgets[host].free, host))
        return list(islice((o for host in hosts for o in self._offers.of(host) if o.runtime not in skip), most))

    def _reaching(self, tier: Tier, skip: Collection[str]) -> Iterator[Option]:
        """Options of a tier or a better one; the tightest first when there are many."""
        if self._few is None:
            # The least that any runtime needs finds all hosts that matter; each option is held against its own need.
            hosts: Iterable[str] = self._draft.rooms.holding(tier, self._offers.least)
        else:
            hosts = self._few
        for host in hosts:
            for option in self._offers.of(host):
                if option.runtime not in skip and tier_of(self._draft.room(host), option.need) <= tier:
                    yield option

    def _brief(self, skip: Collection[str], taken: Collection[str]) -> Option | None:
        """Beside those who hold memory now, if it is over before who it is promised to can have it."""
        if not self.seconds:
            return None
        found = [
            option
            for host in self._draft.due_hosts
            if host not in taken
            for option in self._offers.of(host)
            if option.runtime not in skip
            and self._draft.budgets[host].fits(option.need, self.seconds.get(option.runtime))
        ]
        return min(found, key=self._score, default=None)

    def _score(self, option: Option) -> tuple[float, str, str]:
        room = self._draft.room(option.host)
        left = room.free - option.need
        return placement_score(left, self._draft.largest, room.strain), option.host, option.runtime
