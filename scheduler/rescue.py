"""What nobody reports any more is given up; hints that got lost are sent again."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from scheduler.apply import Messages, by_lane
from scheduler.patience import Patience
from shared.db import clock_time
from shared.jobs import state as jobs
from shared.jobs.reserve import release_stale
from shared.leader import Fence
from shared.runs import state as runs
from shared.tables import Host


def heal(session: Session, fence: Fence, patience: Patience, max_crashes: int) -> Messages:
    """Part of one transaction, about once a second; the hints are to be sent after the commit."""
    moment = clock_time(session)
    if patience.over(moment, silent=_all_silent(session, moment)):
        jobs.rescue(session, fence, max_crashes)
        runs.rescue(session, fence)
    release_stale(session, fence)
    return by_lane(jobs.due_messages(session, fence), runs.due_messages(session, fence))


def _all_silent(session: Session, moment: float) -> bool:
    """Hosts have reported before, and none has lately."""
    latest = session.scalar(select(func.max(Host.seen_until)))
    return latest is not None and latest <= moment
