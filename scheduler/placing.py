"""Finding memory for a run: where it fits, where it soon fits, whom it may displace."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from scheduler.draft import Draft, Seat
from scheduler.evict import victims
from scheduler.options import Option
from scheduler.rank import fit_order
from scheduler.reasons import Code, Holder, HostFact, Reason, memory_sentence, refused
from shared.units import format_bytes
from shared.vocabulary import RunState

#: Seconds that work waits for memory held by busy runs before those take no more work.
PATIENCE = 30.0
#: Runs named as holders of a host's memory.
_NAMED_HOLDERS = 4


def fitting(draft: Draft, options: Iterable[Option]) -> Option | None:
    """The best place where it fits now."""
    fits = [option for option in options if draft.budgets[option.host].fits(option.need)]
    return min(fits, key=lambda option: _order(draft, option), default=None)


def make_room(draft: Draft, options: Sequence[Option], who: str, waited: float) -> Reason:
    """Nothing fits now: wait for memory on its way back, or displace idle runs, or say who holds it.

    `who` is told to the runs that end; `waited` is in seconds.
    """
    return (
        _soon(draft, options)
        or _displace(draft, options, who)
        or (_drain(draft, options) if waited > PATIENCE else None)
        or _held(draft, options)
    )


def _soon(draft: Draft, options: Iterable[Option]) -> Reason | None:
    fits = [option for option in options if draft.budgets[option.host].fits_later(option.need)]
    best = min(fits, key=lambda option: _order(draft, option), default=None)
    return _promise(draft, best) if best else None


def _displace(draft: Draft, options: Iterable[Option], who: str) -> Reason | None:
    """End idle runs on the host where fewest, and those unused for longest, are in the way."""
    found = []
    for option in options:
        idle = [seat for seat in draft.seats_on[option.host] if seat.evictable]
        chosen = victims(idle, draft.budgets[option.host].missing(option.need))
        if chosen:
            newest = max(seat.run.last_used_at for seat in chosen)
            found.append(((len(chosen), newest, option.host, option.runtime), option, chosen))
    if not found:
        return None
    _, option, chosen = min(found, key=lambda each: each[0])
    for seat in chosen:
        draft.stop(seat, f"makes room for {who}")
    return _promise(draft, option)


def _drain(draft: Draft, options: Iterable[Option]) -> Reason | None:
    """Let busy runs finish what they have and take no more, where fewest attempts are in the way."""
    found = []
    for option in options:
        ready = [seat for seat in draft.seats_on[option.host] if _drainable(seat)]
        chosen = victims(ready, draft.budgets[option.host].missing(option.need))
        if chosen:
            found.append(((sum(seat.run.attempts for seat in chosen), option.host, option.runtime), option, chosen))
    if not found:
        return None
    _, option, chosen = min(found, key=lambda each: each[0])
    draft.yielding.update(seat.run.id for seat in chosen)
    draft.budgets[option.host].promised += option.need
    fact = _fact(draft, option.host, Code.MEMORY)
    names = ", ".join(seat.run.model for seat in chosen)
    sentence = f"needs {format_bytes(option.need)}; {fact.sentence}; {names} takes no more work until it fits"
    return Reason(Code.MEMORY, sentence, option.need, (fact,))


def _drainable(seat: Seat) -> bool:
    run = seat.run
    return run.state == RunState.READY and not (run.pinned or run.owner_job or seat.stopped)


def _promise(draft: Draft, option: Option) -> Reason:
    """What is on its way back on that host is for this run; nobody behind it takes it."""
    draft.budgets[option.host].promised += option.need
    fact = _fact(draft, option.host, Code.FREEING)
    return Reason(Code.FREEING, f"needs {format_bytes(option.need)}; {fact.sentence}", option.need, (fact,))


def _held(draft: Draft, options: Iterable[Option]) -> Reason:
    hosts = sorted({option.host for option in options}, key=lambda host: (-draft.budgets[host].free, host))
    need = min(option.need for option in options)
    return refused([_fact(draft, host, Code.MEMORY) for host in hosts], need)


def _fact(draft: Draft, host: str, code: Code) -> HostFact:
    budget = draft.budgets[host]
    holding = sorted((s for s in draft.seats_on[host] if s.run.held), key=lambda s: (-s.run.held, s.run.id))
    holders = tuple(Holder(seat.run.model, seat.run.held, standing(seat)) for seat in holding[:_NAMED_HOLDERS])
    return HostFact(host, code, memory_sentence(host, budget.free, holders), budget.free, budget.held, holders)


def standing(seat: Seat) -> str:
    """Why a run keeps its memory, in one word."""
    run = seat.run
    if seat.stopped or run.state == RunState.STOPPING:
        return "stopping"
    if run.state.final:
        return "lost, its host has not cleaned up"
    if run.state != RunState.READY:
        return "starting"
    if run.busy or seat.taken:
        return "busy"
    if run.owner_job:
        return "held by a benchmark"
    return "pinned" if run.pinned else "idle"


def _order(draft: Draft, option: Option) -> tuple[int, int, str, str]:
    left = draft.budgets[option.host].free - option.need
    return fit_order(left, draft.attempts_on[option.host], option.host, option.runtime)
