"""Whether a second copy of a model is worth its memory and its load."""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.options import Option
from scheduler.seat import Seat
from scheduler.views import JobView
from scheduler.wants import Want

#: Seconds a job waits for a slot before a second copy is loaded, while nobody knows how long jobs take.
UNKNOWN_PATIENCE = 5.0


def worth_another(draft: Draft, want: Want, job: JobView, seats: list[Seat]) -> Option | None:
    """A place with free memory on a host without a copy, if a job there would begin before one that waits here.

    Who waits longer than a load takes wins by it. A copy displaces nobody: idle runs are left to those who have none.
    """
    taken = {seat.run.host or "" for seat in seats}
    place = want.places.fitting(taken=taken)
    if place is None:
        return None
    wait = _wait(draft, want, seats)
    if wait is None:
        return place if draft.snapshot.now - job.queued_at > UNKNOWN_PATIENCE else None
    load = draft.forecast.load_seconds(want.wish.model.id, place.runtime, place.need)
    return place if wait > load else None


def _wait(draft: Draft, want: Want, seats: list[Seat]) -> float | None:
    """Seconds until those runs have worked off what waits for their model; `None` when no rate is known."""
    seconds = draft.forecast.job_seconds(want.wish.model.id, seats[0].run.runtime)
    if seconds is None:
        return None
    slots = sum(seat.run.slots for seat in seats)
    return seconds * draft.waiting.backlog[want.key] / max(slots, 1)
