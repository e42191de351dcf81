"""Which runs end: those that nobody needs any more, and those that must make room. Never one at work."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from scheduler.decisions import Stop
from scheduler.draft import Draft
from scheduler.forecast import Forecast
from scheduler.seat import Seat
from scheduler.views import HostView, RunView
from shared.vocabulary import Guard, Priority, RunState

#: Seconds of idleness after which a run is half as likely to be wanted again.
_HALF_WANTED = 60.0
_CLASSES = len(Priority)


def victims(seats: Iterable[Seat], missing: int, cost: Callable[[Seat], float]) -> list[Seat] | None:
    """The runs to end for `missing` bytes, cheap ones first and no more than it takes; `None`: not enough."""
    chosen: list[Seat] = []
    given = 0
    by_cost = sorted(seats, key=lambda seat: (cost(seat), seat.run.id))
    for seat in by_cost:
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
    alone = next((seat for seat in by_cost if seat.run.held >= missing), None)
    if alone is not None and cost(alone) < sum(map(cost, chosen)):
        return [alone]
    return chosen


def eviction_cost(seat: Seat, forecast: Forecast, now: float) -> float:
    """Seconds that ending a run is expected to cost: to load it again, if it is wanted again soon.

    Work of the most urgent class counts five times that of the least; a minute of idleness halves the cost.
    """
    run = seat.run
    reload = forecast.load_seconds(run.model_id, run.runtime, run.held)
    idle = max(0.0, now - run.last_used_at)
    return reload * (_CLASSES - run.rank) * _HALF_WANTED / (_HALF_WANTED + idle)


def stop_orphans(draft: Draft) -> None:
    """End runs that were acquired by a job which no longer works."""
    why = "the job it belonged to is over"
    for run in draft.snapshot.runs:
        if run.host is None and not run.owner_live and run.state == RunState.PENDING:
            draft.stops.append(Stop(run.id, why, placed=False))
    for seats in draft.seats_on.values():
        for seat in seats:
            if not seat.run.owner_live:
                draft.stop(seat, why)


def stop_idle(draft: Draft) -> None:
    """End runs that have been idle past their keep-alive, or on a host that drains or is short of memory."""
    for name, seats in draft.seats_on.items():
        host = draft.snapshot.hosts[name]
        for seat in seats:
            why = _no_longer_wanted(seat.run, host, draft.snapshot.now) if seat.evictable else None
            if why is not None:
                draft.stop(seat, why)


def _no_longer_wanted(run: RunView, host: HostView, now: float) -> str | None:
    if host.leaving:
        return f"{host.name} drains"
    if host.guard != Guard.OPEN:
        return f"{host.name} is short of memory"
    return f"it was idle for {run.keep_alive:.0f} s" if _outlived(run, now) else None


def _outlived(run: RunView, now: float) -> bool:
    return run.state == RunState.READY and 0 <= run.keep_alive < now - run.last_used_at
