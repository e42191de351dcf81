"""How long an idle run keeps its memory from work that waits, because it will be wanted again.

A run that idles at this moment is not one that nobody needs. Where more models are asked for in turn than fit, ending
whatever idles for whoever comes next makes models go round and round, each for a job or two. To change models costs two
loads, that of the one and later that of the other again; so a run stays for about as long after its last work, unless
who asks for its memory has waited for as long already. In the end nobody has waited much more than the better of the
two would have cost.
"""

from __future__ import annotations

from scheduler.draft import Draft
from scheduler.seat import Seat
from shared.vocabulary import Priority

#: Seconds at least and at most …
_LEAST, _MOST = 3.0, 10.0
#: … in between so many loads.
_LOADS = 2.0


def lingers(draft: Draft, seat: Seat, rank: int, waited: float) -> bool:
    """An idle run stays a moment longer when work of class `rank` asks for its memory that has `waited` so long.

    A person does not wait for that, nor does work that is more urgent than what the run was loaded for.
    """
    run = seat.run
    if rank == Priority.INTERACTIVE.rank or rank < run.rank:
        return False
    load = draft.forecast.load_seconds(run.model_id, run.runtime, run.held)
    grace = min(_MOST, max(_LEAST, _LOADS * load))
    return waited < grace and draft.snapshot.now - run.last_used_at < grace
