"""Finding memory for a run: where it fits, where it soon fits, whom it may displace, whom it waits for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from scheduler.draft import Draft
from scheduler.evict import eviction_cost, victims
from scheduler.facts import memory_fact
from scheduler.linger import lingers
from scheduler.options import Option
from scheduler.places import Places
from scheduler.preempt import clear, clearable
from scheduler.reasons import MOST_HOSTS, Code, Reason, refused
from scheduler.room import Tier
from scheduler.seat import Seat
from scheduler.stint import patience, served
from scheduler.wishes import Wish
from shared.units import format_bytes


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks for memory."""

    wish: Wish
    rank: int
    #: Seconds it has waited.
    waited: float
    #: Runtimes that have failed to load it.
    skip: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class _Way:
    """A place, the runs that must go before, and what that costs."""

    cost: float
    option: Option
    seats: list[Seat]
    #: Seconds until they have finished; `None` when that is not known.
    due: float | None = None


def find_place(draft: Draft, places: Places, asker: Asker) -> Option | Reason | None:
    """Where the run can be loaded at once; else why it waits, room being made where that is right.

    `None` when there is no option at all.
    """
    best = places.fitting(asker.skip)
    if best is not None:
        return best
    found = places.waiting(asker.skip)
    if found and found[0][0] == Tier.SOON:
        best = found[0][1]
        draft.promise(best.host, best.need)
        return _freeing(draft, best)
    return (_make_room(draft, places, asker, found) if found else None) or _held(draft, places, asker)


def _make_room(draft: Draft, places: Places, asker: Asker, found: Sequence[tuple[Tier, Option]]) -> Reason | None:
    loads = min(draft.forecast.load_seconds(asker.wish.model.id, option.runtime, option.need) for _, option in found)
    impatient = asker.waited > patience(loads)
    options = [option for tier, option in found if tier in (Tier.IDLE, Tier.BUSY)]
    displacing = [way for option in options if (way := _displacing(draft, asker, option, impatient=impatient))]
    if displacing:
        way = min(displacing, key=_cheapest)
        for seat in way.seats:
            draft.stop(seat, f"makes room for {asker.wish.model.name}")
        draft.promise(way.option.host, way.option.need)
        return _freeing(draft, way.option)
    draining = [way for option in options if (way := _draining(draft, option))]
    if not draining:
        return None
    preempting = [
        way for way in draining if clearable(way.seats, asker.rank) and all(served(draft, seat) for seat in way.seats)
    ]
    way = min(preempting or draining, key=_cheapest)
    others = dict.fromkeys(option.host for option in places.any(MOST_HOSTS, asker.skip))
    impatient = impatient and not any(_spared(draft, seat, asker) for seat in way.seats)
    return _wait_for(draft, asker, way, others, impatient=impatient, preempting=bool(preempting))


def _cheapest(way: _Way) -> tuple[float, str, str]:
    return way.cost, way.option.host, way.option.runtime


def _displacing(draft: Draft, asker: Asker, option: Option, *, impatient: bool) -> _Way | None:
    """Idle runs to end once they linger no more; those that are waited for as urgently stay until patience is over."""
    idle = [
        seat
        for seat in draft.seats_on.get(option.host, ())
        if seat.evictable
        and not lingers(draft, seat, asker.rank, asker.waited)
        and not (_spared(draft, seat, asker) if impatient else _wanted(draft, seat, asker))
    ]

    def cost(seat: Seat) -> float:
        return eviction_cost(seat, draft.forecast, draft.snapshot.now)

    chosen = victims(idle, draft.budgets[option.host].missing(option.need), cost)
    return _Way(sum(map(cost, chosen)), option, chosen) if chosen else None


def _spared(draft: Draft, seat: Seat, asker: Asker) -> bool:
    """Patience is over, but its own model is waited for as urgently, and it has not served its stint."""
    return _wanted(draft, seat, asker) and not served(draft, seat)


def _wanted(draft: Draft, seat: Seat, asker: Asker) -> bool:
    best = draft.waiting.wanted.get((seat.run.model_id, seat.run.capability))
    return best is not None and best <= asker.rank and seat.run.model_id != asker.wish.model.id


def _draining(draft: Draft, option: Option) -> _Way | None:
    """Runs that would have to finish, those with least left to do."""
    dry = [seat for seat in draft.seats_on.get(option.host, ()) if seat.drainable]
    chosen = victims(dry, draft.budgets[option.host].missing(option.need), lambda seat: _left(draft, seat)[1])
    if not chosen:
        return None
    times = [_left(draft, seat)[0] for seat in chosen]
    due = None if None in times else max((time for time in times if time is not None), default=0.0)
    return _Way(sum(_left(draft, seat)[1] for seat in chosen), option, chosen, due)


def _left(draft: Draft, seat: Seat) -> tuple[float | None, float]:
    """Seconds until a run has done what it does, if known, and a cost: those seconds, or one for each attempt."""
    run = seat.run
    at_work = max(run.attempts, int(run.busy or seat.taken))
    if not at_work:
        return 0.0, 0.0
    seconds = draft.forecast.job_seconds(run.model_id, run.runtime)
    if seconds is None or len(seat.attempts) < run.attempts or run.streaming or seat.taken:
        return None, float(at_work)
    since = [attempt.started_at for attempt in seat.attempts]
    left = max((start + seconds - draft.snapshot.now for start in since), default=0.0)
    return (left, left) if left > 0 else (None, float(at_work))


def _wait_for(
    draft: Draft, asker: Asker, way: _Way, others: Iterable[str], *, impatient: bool, preempting: bool
) -> Reason:
    """Keep the memory of runs at work for whoever waits; out of patience, they take nothing new until then."""
    host, need = way.option.host, way.option.need
    for seat in way.seats:
        seat.promised = True
        seat.yielding = impatient or preempting
    draft.promise(host, need, sum(seat.run.held for seat in way.seats), way.due)
    if preempting:
        clear(draft, way.seats, asker.wish.model.name)
    fact = memory_fact(draft, host, Code.MEMORY)
    facts = (fact, *(memory_fact(draft, other, Code.MEMORY) for other in others if other != host))
    names = ", ".join(seat.run.model for seat in way.seats)
    tail = "gives way" if preempting else "takes no more work until it fits" if impatient else _first(draft, asker, way)
    code = Code.GIVING_WAY if preempting else Code.MEMORY
    sentence = f"needs {format_bytes(need)}; {fact.sentence}; {names} {tail}"
    return Reason(code, sentence, need, facts, (f"{names} on {host} ends",), _coarse(way.due))


def _first(draft: Draft, asker: Asker, way: _Way) -> str:
    """What comes before, where nobody is hurried."""
    busy = any(seat.run.busy or seat.taken for seat in way.seats)
    lingering = not busy and any(lingers(draft, seat, asker.rank, asker.waited) for seat in way.seats)
    return "stays a moment longer, for it was just used" if lingering else "is to finish first"


def _freeing(draft: Draft, option: Option) -> Reason:
    """What is on its way back on that host is for this run."""
    fact = memory_fact(draft, option.host, Code.FREEING)
    sentence = f"needs {format_bytes(option.need)}; {fact.sentence}"
    help_ = (f"the runs that end on {option.host} are gone, which takes moments",)
    return Reason(Code.FREEING, sentence, option.need, (fact,), help_)


def _held(draft: Draft, places: Places, asker: Asker) -> Reason | None:
    options = places.any(MOST_HOSTS, asker.skip)
    if not options:
        return None
    hosts = dict.fromkeys(option.host for option in options)
    need = min(option.need for option in options)
    return refused([memory_fact(draft, host, Code.MEMORY) for host in hosts], need)


def _coarse(seconds: float | None) -> float | None:
    """To one of 1, 2, 5, 10, 20, 50 …: a number that changes each second would be written each second."""
    if seconds is None:
        return None
    step = 1.0
    for factor in (2.0, 2.5, 2.0) * 6:
        if step >= seconds:
            break
        step *= factor
    return step
