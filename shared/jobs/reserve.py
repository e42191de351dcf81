"""Whole hosts kept for exclusive jobs: one job a host, taken by the leader, given back when the job is over."""

from __future__ import annotations

from sqlalchemy import exists, select, update
from sqlalchemy.orm import Session

from shared import guards, leader
from shared.db import now
from shared.leader import Fence
from shared.tables import Host, Job
from shared.vocabulary import JobState


def reserve(session: Session, fence: Fence, host: str, job_id: str) -> bool:
    """Keep a host for a queued exclusive job; `False` when another job has it."""
    leader.check(session, fence)
    waits = exists(select(Job.id).where(Job.id == job_id, Job.state == JobState.QUEUED, Job.exclusive))
    taken = session.scalar(
        update(Host)
        .where(Host.name == host, *guards.unreserved(), waits)
        .values(reserved_by=job_id)
        .returning(Host.name)
        .execution_options(synchronize_session=False)
    )
    return taken is not None


def release_stale(session: Session, fence: Fence) -> list[str]:
    """Free hosts whose job is over or gone, and hosts that went away before their job began."""
    leader.check(session, fence)
    moment = now(session)
    at_work = exists(
        select(Job.id).where(Job.id == Host.reserved_by, Job.state.in_([JobState.ASSIGNED, JobState.RUNNING]))
    )
    waits = exists(select(Job.id).where(Job.id == Host.reserved_by, Job.state == JobState.QUEUED))
    usable = (Host.seen_until > moment) & ~Host.draining & ~Host.cordoned & Host.maintenance.is_(None)
    return list(
        session.scalars(
            update(Host)
            .where(Host.reserved_by.is_not(None), ~at_work, ~(waits & usable))
            .values(reserved_by=None)
            .returning(Host.name)
            .execution_options(synchronize_session=False)
        )
    )
