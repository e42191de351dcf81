"""Second copies for people: of models that more of them ask at once than their runs have slots."""

from __future__ import annotations

from dataclasses import replace

from scheduler.decisions import NewRun
from scheduler.draft import Draft
from scheduler.seat import Seat
from scheduler.wants import Want
from scheduler.wishes import Wish
from shared.vocabulary import Priority, RunState


def relieve(draft: Draft) -> None:
    """Load a copy of each crowded model where memory is free and no copy is yet, one at a time.

    People have been sent to their runs already, so a copy takes memory from nobody: it helps those who come next. One
    whose load failed lately is not tried again.
    """
    failed = {load.model_id for load in draft.snapshot.loads if load.problem is not None}
    crowds = [
        seats
        for (model_id, _), seats in sorted(draft.serving.items())
        if model_id not in failed and seats and all(seat.run.crowded and not seat.stopped for seat in seats)
    ]
    for seats in sorted(crowds, key=lambda seats: _wait(draft, seats), reverse=True):
        _copy(draft, seats)


def _wait(draft: Draft, seats: list[Seat]) -> float:
    """Seconds until those runs have answered everybody; as if a second for each answer while that is not known."""
    run = seats[0].run
    seconds = draft.forecast.job_seconds(run.model_id, run.runtime) or 1.0
    return seconds * sum(seat.run.attended for seat in seats) / max(sum(seat.run.slots for seat in seats), 1)


def _copy(draft: Draft, seats: list[Seat]) -> None:
    first = min((seat.run for seat in seats), key=lambda run: (run.created_at, run.id))
    model = draft.snapshot.models.get(first.model_id)
    if model is None:
        return
    want = Want(draft, Wish(model, first.capability, first.spec))
    place = want.places.fitting(taken={seat.run.host or "" for seat in seats})
    if place is None:
        return
    rank = Priority.INTERACTIVE.rank
    new = NewRun(model.id, model.name, first.capability, first.spec, rank, None, None)
    made = replace(
        first, id=f"new:{len(draft.starts)}", state=RunState.PENDING, rank=rank, created_at=draft.snapshot.now,
        attempts=0, used=0, attended=0,
    )  # fmt: skip
    draft.start(made, place.host, place.runtime, place.size, new)
