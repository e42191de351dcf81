"""Second copies of models that jobs wait for: which of them are worth their memory and their load."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from heapq import heapify, heappop, heappush

from scheduler.backlog import Backlog
from scheduler.draft import Draft
from scheduler.evict import eviction_cost, victims
from scheduler.loading import load_for
from scheduler.options import Option
from scheduler.rank import effective_class
from scheduler.seat import Seat
from scheduler.views import JobView
from scheduler.wants import Want

#: Seconds a job waits for a slot before a second copy is loaded, while nobody knows how long jobs take.
UNKNOWN_PATIENCE = 5.0


def copy_longest(draft: Draft, wants: Iterable[Want]) -> None:
    """Load copies where memory is left, or idle runs can make room: within a class, the longest wait comes first.

    Everybody has asked by then, so that who asked first does not take what another has more use for.
    """
    asking = [
        (_urgency(draft, want, want.backlog, seats), want, want.backlog)
        for want in wants
        if want.backlog is not None and (seats := want.seats())
    ]
    heapify(asking)
    #: Jobs by what they are told, which is one object for all who wait for slots of the same runs.
    waiting = Counter(map(id, draft.blocked_jobs.values()))
    while asking:
        _, want, backlog = heappop(asking)
        slots = _copy(draft, want, backlog)
        waiting[id(want.answer)] -= slots
        if slots and waiting[id(want.answer)] > 0:
            heappush(asking, (_urgency(draft, want, backlog, want.seats()), want, backlog))


def _copy(draft: Draft, want: Want, backlog: Backlog) -> int:
    """The slots of the copy that is loaded for it; 0 when none is."""
    if draft.limits.hindrance(backlog.job.shape, coming=True) is not None:
        return 0
    place = _worth_another(draft, want, backlog.job, want.seats())
    if place is None or place.runtime in backlog.skip:
        return 0
    load_for(draft, want.wish.model, backlog.job, place)
    return place.size.slots


def _urgency(draft: Draft, want: Want, backlog: Backlog, seats: list[Seat]) -> tuple[int, float, float, str]:
    """The lowest is first: by class, then by the wait for a slot, then by age where that is not known."""
    job = backlog.job
    wait = wait_for_slot(draft, want, seats) or 0.0
    return effective_class(job.shape.rank, job.queued_at, draft.snapshot.now), -wait, job.queued_at, job.id


def _worth_another(draft: Draft, want: Want, job: JobView, seats: list[Seat]) -> Option | None:
    """A place with free memory on a host without a copy, if a job there would begin before one that waits here.

    Who waits longer than a load takes wins by it. Where no memory is free, runs that idle and that nobody waits for
    make room, if the wait is longer than all the loads that this costs.
    """
    taken = {seat.run.host or "" for seat in seats}
    place = want.places.fitting(taken=taken)
    wait = wait_for_slot(draft, want, seats)
    if place is None:
        if wait is not None:
            _displace(draft, want, want.places.idling(taken), wait)
        return None
    if wait is None:
        return place if draft.snapshot.now - job.queued_at > UNKNOWN_PATIENCE else None
    load = draft.forecast.load_seconds(want.wish.model.id, place.runtime, place.need)
    return place if wait > load else None


def wait_for_slot(draft: Draft, want: Want, seats: list[Seat]) -> float | None:
    """Seconds until those runs have worked off what waits for their model; `None` when no rate is known."""
    seconds = draft.forecast.job_seconds(want.wish.model.id, seats[0].run.runtime)
    if seconds is None:
        return None
    slots = sum(seat.run.slots for seat in seats)
    return seconds * draft.waiting.backlog[want.key] / max(slots, 1)


def _displace(draft: Draft, want: Want, options: Iterable[Option], wait: float) -> None:
    """End idle runs where that costs least seconds. A copy has no claim to their memory: who has no run goes first."""
    ways = [way for option in options if (way := _clearing(draft, want, option)) is not None]
    cost, _, chosen = min(ways, key=lambda way: way[:2], default=(wait, "", []))
    if cost < wait:
        for seat in chosen:
            draft.stop(seat, f"makes room for another copy of {want.wish.model.name}")


def _clearing(draft: Draft, want: Want, option: Option) -> tuple[float, str, list[Seat]] | None:
    """Seconds that it costs to load there: for this copy, and again for what would have to end."""

    def cost(seat: Seat) -> float:
        return eviction_cost(seat, draft.forecast, draft.snapshot.now)

    wanted = draft.waiting.wanted
    seats = draft.seats_on.get(option.host, ())
    idle = [seat for seat in seats if seat.evictable and (seat.run.model_id, seat.run.capability) not in wanted]
    chosen = victims(idle, draft.budgets[option.host].missing(option.need), cost)
    if not chosen:
        return None
    load = draft.forecast.load_seconds(want.wish.model.id, option.runtime, option.need)
    return load + sum(map(cost, chosen)), option.host, chosen
