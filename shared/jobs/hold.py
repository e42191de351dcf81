"""What keeps a waiting job from beginning, though there is room for it: paused parts of the queue, and full ones."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from shared import guards, queues
from shared.queue_parts import parts
from shared.tables import Job


def passing(session: Session, job_ids: Sequence[str]) -> set[str]:
    """Those of the jobs that may begin now, looked at in order: the limits are those of this transaction."""
    limits = queues.limits(session)
    if not limits.paused and not limits.left:
        return set(job_ids)
    rows = session.execute(select(Job.id, Job.kind, Job.priority, Job.owner, Job.labels).where(Job.id.in_(job_ids)))
    belongs = {job_id: parts(kind, priority, owner, labels) for job_id, kind, priority, owner, labels in rows}
    left = dict(limits.left)
    passed = set()
    for job_id in dict.fromkeys(job_ids):
        mine = belongs.get(job_id, [])
        if guards.unpaused(mine, limits.paused) and guards.within_limits(mine, left):
            passed.add(job_id)
            left |= {name: left[name] - 1 for name in mine if name in left}
    return passed
