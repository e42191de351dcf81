"""Which runs end: those that nobody needs any more, and those that must make room. Never one at work."""

from __future__ import annotations

from collections.abc import Iterable

from scheduler.decisions import Stop
from scheduler.draft import Draft, Seat
from scheduler.views import RunView
from shared.vocabulary import RunState


def victims(seats: Iterable[Seat], missing: int) -> list[Seat] | None:
    """The runs to end for `missing` bytes, least recently used first and no more than it takes; `None`: not enough."""
    chosen: list[Seat] = []
    given = 0
    for seat in sorted(seats, key=_least_recent):
        if given >= missing:
            break
        chosen.append(seat)
        given += seat.run.held
    if given < missing:
        return None
    for seat in reversed(chosen.copy()):
        if given - seat.run.held >= missing:
            chosen.remove(seat)
            given -= seat.run.held
    return chosen


def _least_recent(seat: Seat) -> tuple[float, str]:
    return seat.run.last_used_at, seat.run.id


def stop_orphans(draft: Draft) -> None:
    """End runs that were acquired by a job which no longer works."""
    why = "the job it belonged to is over"
    for seats in draft.seats_on.values():
        for seat in seats:
            if not seat.run.owner_live:
                draft.stop(seat, why)
    for run in draft.snapshot.runs:
        if run.host is None and not run.owner_live and run.state == RunState.PENDING:
            draft.stops.append(Stop(run.id, why, placed=False))


def stop_idle(draft: Draft) -> None:
    """End runs that have been idle past their keep-alive, or that idle on a host which drains."""
    for name, seats in draft.seats_on.items():
        draining = draft.snapshot.hosts[name].draining
        for seat in seats:
            if not seat.evictable:
                continue
            if draining:
                draft.stop(seat, f"{name} drains")
            elif _outlived(seat.run, draft.snapshot.now):
                draft.stop(seat, f"it was idle for {seat.run.keep_alive:.0f} s")


def _outlived(run: RunView, now: float) -> bool:
    return run.state == RunState.READY and 0 <= run.keep_alive < now - run.last_used_at
