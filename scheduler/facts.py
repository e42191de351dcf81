"""What holds the memory of a host, for people."""

from __future__ import annotations

from heapq import nlargest

from scheduler.draft import Draft
from scheduler.reasons import Code, Holder, HostFact, memory_sentence
from scheduler.seat import Seat
from shared.vocabulary import RunState

#: Runs named as holders of a host's memory.
_NAMED_HOLDERS = 4


def memory_fact(draft: Draft, host: str, code: Code) -> HostFact:
    """What is free there, and which runs hold the rest, the largest first."""
    budget = draft.budgets[host]
    holding = (seat for seat in draft.seats_on.get(host, ()) if seat.run.held)
    named = nlargest(_NAMED_HOLDERS, holding, key=lambda seat: (seat.run.held, seat.run.id))
    holders = tuple(Holder(seat.run.model, seat.run.held, standing(seat)) for seat in named)
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
