"""How long a run serves before its memory goes to others who wait.

Where more models are wanted than fit, each is loaded in turn. To change them takes a load, and before it the time in
which the last work on the old run ends beside slots that stay empty. Whoever waits has often waited for longer than any
patience; what keeps models from going round and round is that each serves for its stint before it takes no more work.
"""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.seat import Seat

#: Work waits for memory held by busy runs at least and at most so many seconds before those take no more work …
LEAST_PATIENCE, MOST_PATIENCE = 5.0, 120.0
#: … in between so many times as long as the change takes: changing models may cost a fifth of the time, no more.
_TIMES = 4.0


def patience(change: float) -> float:
    """Seconds to bear before a change of models that takes `change` seconds."""
    return min(MOST_PATIENCE, max(LEAST_PATIENCE, _TIMES * change))


def served(draft: Draft, seat: Seat) -> bool:
    """It has served its stint."""
    run = seat.run
    load = draft.forecast.load_seconds(run.model_id, run.runtime, run.held)
    last = draft.forecast.job_seconds(run.model_id, run.runtime) or 0.0
    began = run.ready_at if run.ready_at is not None else run.created_at
    return draft.snapshot.now - began > patience(load + last)
