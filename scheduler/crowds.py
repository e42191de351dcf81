"""Second copies of models that more people ask at once than their runs have slots."""

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
    for (model_id, _), seats in sorted(draft.serving.items()):
        if model_id not in failed and seats and all(seat.run.crowded and not seat.stopped for seat in seats):
            _copy(draft, seats)


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
