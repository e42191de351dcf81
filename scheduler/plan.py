"""The plan: from all that is known to all that is decided. Pure: the same snapshot always gives the same plan."""

from __future__ import annotations

from scheduler.decisions import Plan
from scheduler.draft import Draft
from scheduler.evict import stop_idle, stop_orphans
from scheduler.exclusive import take_host
from scheduler.lanes import enlane
from scheduler.pending import place_pending
from scheduler.rank import in_order
from scheduler.seating import seat_job
from scheduler.views import JobView, RunView, Snapshot
from shared.vocabulary import RunState


def plan(snapshot: Snapshot) -> Plan:
    """Decide for each waiting job and pending run, in order; whoever cannot be helped gets a reason.

    Who comes first in the order takes what is free; nobody behind takes what it waits for.
    """
    draft = Draft(snapshot)
    stop_orphans(draft)
    for item in in_order(snapshot.jobs, (run for run in snapshot.runs if _waits(run))):
        _decide(draft, item)
    stop_idle(draft)
    return draft.plan()


def _waits(run: RunView) -> bool:
    return run.state == RunState.PENDING and run.host is None and run.owner_live


def _decide(draft: Draft, item: JobView | RunView) -> None:
    if isinstance(item, RunView):
        place_pending(draft, item)
    elif item.shape.exclusive:
        take_host(draft, item)
    elif item.shape.model_id is None:
        enlane(draft, item)
    else:
        seat_job(draft, item)
