"""Where a run could be loaded, best first, while memory is given away."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from itertools import islice
from math import inf

from scheduler.draft import Draft
from scheduler.options import Offers, Option
from scheduler.rank import placement_score
from scheduler.room import Tier

#: Up to so many hosts are all asked; of more, so many options that fit most tightly are compared.
_FEW, _COMPARED = 64, 32


class Places:
    """Options of one wish. Nothing is remembered of their memory, which changes with every decision."""

    def __init__(self, draft: Draft, offers: Offers) -> None:
        self._draft, self._offers = draft, offers
        # In order, for a set has another in each process.
        self._few = sorted(offers.hosts) if len(offers.hosts) <= _FEW else None
        self._compared = _COMPARED if self._few is None else None
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
        best: Option | None = None
        lowest, most = (inf, "", ""), self._offers.most
        for option in islice(self._reaching(Tier.FITS, skip, taken), self._compared):
            room = self._draft.room(option.host)
            # The tightest come first, so that those that follow leave at least as much unused.
            if self._few is None and (room.reach[Tier.FITS] - most) / self._draft.largest > lowest[0]:
                break
            score = self._score(option)
            if score < lowest:
                best, lowest = option, score
        return best or self._brief(skip, taken)

    def idling(self, taken: Collection[str]) -> list[Option]:
        """Where idle runs are in the way, on no host that is `taken`; none while it soon fits on another of them."""
        if any(self._reaching(Tier.SOON, (), taken)):
            return []
        return list(islice(self._reaching(Tier.IDLE, (), taken), self._compared))

    def waiting(self, skip: Collection[str] = ()) -> list[tuple[Tier, Option]]:
        """What comes nearest where nothing fits: memory on its way back, else idle and busy runs in the way."""
        soon = list(islice(self._reaching(Tier.SOON, skip), self._compared))
        if soon:
            return [(Tier.SOON, min(soon, key=self._score))]
        idle = [(Tier.IDLE, option) for option in islice(self._reaching(Tier.IDLE, skip), self._compared)]
        found = {option for _, option in idle}
        busy = (option for option in self._reaching(Tier.BUSY, skip) if option not in found)
        return idle + [(Tier.BUSY, option) for option in islice(busy, self._compared)]

    def left(self, taken: Collection[str]) -> bool:
        """Some host that is not `taken` has the model and takes the run, now or later."""
        return any(self._offers.of(host) for host in self._offers.hosts if host not in taken)

    def any(self, most: int, skip: Collection[str] = ()) -> list[Option]:
        """So many options, those with most free memory."""
        hosts: Iterable[str] = self._draft.rooms.roomiest()
        if self._few is not None:
            hosts = sorted(self._few, key=lambda host: (-self._draft.budgets[host].free, host))
        return list(islice((o for host in hosts for o in self._offers.of(host) if o.runtime not in skip), most))

    def _reaching(self, tier: Tier, skip: Collection[str], taken: Collection[str] = ()) -> Iterator[Option]:
        """Options of a tier or a better one; the tightest first when there are many."""
        # The least that any runtime needs finds all hosts that matter; each option is held against its own need.
        offers, least = self._offers, self._offers.least
        for reach, host in self._reaches(tier, least):
            if least <= reach and host not in taken:
                for option in offers.of(host):
                    if option.need <= reach and option.runtime not in skip:
                        yield option

    def _reaches(self, tier: Tier, least: int) -> Iterable[tuple[int, str]]:
        if self._few is None:
            return self._draft.rooms.holding(tier, least)
        return ((self._draft.room(host).reach[tier], host) for host in self._few)

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
