"""What a host's memory guard asks for once idle runs are not enough."""

from __future__ import annotations

from scheduler.decisions import MEMORY_GUARD
from scheduler.draft import Draft
from scheduler.seat import Seat
from shared.vocabulary import Guard, RunState


def shed(draft: Draft) -> None:
    """On each host whose guard sheds, end the least urgent, newest run, at work or not, and wait until it is gone."""
    for name, host in draft.snapshot.hosts.items():
        if host.guard != Guard.SHEDDING:
            continue
        loaded = [seat for seat in draft.seats_on.get(name, ()) if seat.run.held]
        if any(_going(seat) for seat in loaded):
            continue
        candidates = [seat for seat in loaded if seat.run.state in (RunState.STARTING, RunState.READY)]
        if candidates:
            draft.stop(max(candidates, key=_least_missed), MEMORY_GUARD)


def _going(seat: Seat) -> bool:
    return seat.stopped or seat.run.state == RunState.STOPPING


def _least_missed(seat: Seat) -> tuple[bool, bool, int, float, str]:
    """Idle before busy, pinned last, then by class and age."""
    run = seat.run
    return not run.pinned, not run.busy, run.rank, run.created_at, run.id
