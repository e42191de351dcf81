"""Whether a second copy of a model is worth its memory and its load."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.draft import Draft
from scheduler.evict import eviction_cost, victims
from scheduler.options import Option
from scheduler.seat import Seat
from scheduler.views import JobView
from scheduler.wants import Want

#: Seconds a job waits for a slot before a second copy is loaded, while nobody knows how long jobs take.
UNKNOWN_PATIENCE = 5.0


def worth_another(draft: Draft, want: Want, job: JobView, seats: list[Seat]) -> Option | None:
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
