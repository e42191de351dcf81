"""Jobs that need no run, such as downloads: a place on a lane, and disk."""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from scheduler.draft import Draft
from scheduler.reasons import Code, HostFact, refused
from scheduler.refusals import refusal
from scheduler.views import Begun, HostView, JobView, Shape
from scheduler.wishes import Terms
from shared.runtimes import RuntimeInfo
from shared.units import format_bytes
from shared.vocabulary import Capability

#: What jobs have in common that go to the same lanes, whatever disk they need.
_Key = tuple[Capability, str | None, Terms]
#: Bytes of disk that are not free, host and lane: the first has most disk free.
_Place = tuple[int, str, str]


class Lanes:
    """Open places by what they are for. They only become fewer while a plan is made."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._places: dict[_Key, list[_Place]] = {}
        #: Why no host has a place left, once that is so.
        self._facts: dict[_Key, list[HostFact]] = {}

    def place(self, job: JobView) -> tuple[str, str] | None:
        """Host and lane for a job, where most disk is free; or `None`, and it is told why it waits.

        A download goes on where an earlier attempt left its bytes, whatever disk the whole of it needs: only the store
        of that host knows how much of it is there. One that found the disk full there first looks for another host.
        """
        shape = job.shape
        key = shape.capability, shape.runtime, Terms.of_shape(shape)
        begun = self._draft.snapshot.begun.get(job.id)
        again = self._again(begun, key[2], shape) if begun is not None else None
        if begun is not None and not begun.full and again is not None:
            return self._go_on(job, again)
        best = self._best(key, shape)
        if best is not None and (not shape.disk or -best[0] >= shape.disk):
            return best[1], best[2]
        if again is not None:
            return self._go_on(job, again)
        facts = self._facts.get(key)
        if facts is None:
            facts = self._refusals(key[2], shape)
            self._draft.claimed.update(fact.host for fact in facts if fact.code == Code.LANE)
            if best is None:
                self._facts[key] = facts
        self._draft.answer(job, refused(facts, shape.disk or None))
        return None

    def _again(self, begun: Begun, terms: Terms, shape: Shape) -> _Place | HostFact | None:
        """A place on the host where it was tried before, or that all are taken; `None` when that takes it no more."""
        host = self._draft.snapshot.hosts.get(begun.host)
        if host is None or terms.host not in (None, host.name):
            return None
        found = _open_lane(self._draft, host, terms, shape)
        return found if isinstance(found, tuple) or found.code == Code.LANE else None

    def _go_on(self, job: JobView, found: _Place | HostFact) -> tuple[str, str] | None:
        """There, now or as soon as a place is free: to begin anew elsewhere would cost more."""
        if isinstance(found, tuple):
            return found[1], found[2]
        self._draft.claimed.add(found.host)
        self._draft.block(job, refused([found]))
        return None

    def _best(self, key: _Key, shape: Shape) -> _Place | None:
        places = self._places.get(key)
        if places is None:
            found = (_open_lane(self._draft, host, key[2], shape) for host in self._asked(key[2]))
            places = self._places[key] = [place for place in found if isinstance(place, tuple)]
            heapify(places)
        while places:
            place = heappop(places)
            now = _open_lane(self._draft, self._draft.snapshot.hosts[place[1]], key[2], shape)
            if isinstance(now, tuple):
                heappush(places, now)
                if now == place:
                    return place
        return None

    def _asked(self, terms: Terms) -> list[HostView]:
        hosts = self._draft.snapshot.hosts
        if terms.host is None:
            return list(hosts.values())
        return [hosts[terms.host]] if terms.host in hosts else []

    def _refusals(self, terms: Terms, shape: Shape) -> list[HostFact]:
        if terms.host is not None and terms.host not in self._draft.snapshot.hosts:
            return [HostFact(terms.host, Code.NO_HOST, f"no host is called {terms.host}")]
        found = [_open_lane(self._draft, host, terms, shape) for host in self._asked(terms)]
        return [fact if isinstance(fact, HostFact) else _no_disk(fact) for fact in found]


def _open_lane(draft: Draft, host: HostView, terms: Terms, shape: Shape) -> _Place | HostFact:
    """A place there, whatever disk is needed, or why there is none."""
    refused_by = refusal(draft, host, terms)
    if refused_by is not None:
        return refused_by
    able = [info for info in host.runtimes.values() if _does(info, shape)]
    if not able:
        return HostFact(host.name, Code.NO_RUNTIME, f"{host.name} does not run {shape.runtime or shape.capability}")
    for info in able:
        if draft.lane_used[host.name, info.name] < info.lane_slots:
            return draft.disk_taken[host.name] - host.disk_free, host.name, info.name
    slots = sum(info.lane_slots for info in able)
    return HostFact(host.name, Code.LANE, f"all {slots} places of {able[0].name} on {host.name} are taken")


def _no_disk(place: _Place) -> HostFact:
    taken, host, _ = place
    left = max(0, -taken)
    return HostFact(host, Code.DISK, f"{host} has {format_bytes(left)} of disk left for downloads", left)


def _does(info: RuntimeInfo, shape: Shape) -> bool:
    return shape.runtime in (None, info.name) and shape.capability in info.capabilities
