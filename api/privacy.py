"""What a job was asked and what came of it is for the key that submitted it, and for admins; the queue is everybody's.

Downloads and other work on the model store hold nothing that is anybody's own.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from api.deps import FrontDoor
from api.schemas.jobs import JobDetail, JobOut
from api.schemas.queues import ScheduleOut
from shared.errors import Forbidden
from shared.keys import Caller
from shared.tables import Event, Job, Schedule
from shared.vocabulary import Capability

#: Events that tell what a job wrote.
_WRITTEN = frozenset({"job.log", "job.output"})
_HIDDEN: dict[str, Any] = {"params": {}, "result": None, "private": True}


def is_open(caller: Caller, job: Job) -> bool:
    """Whether the caller may read what is in the job."""
    return caller.sees in (None, job.owner) or job.capability == Capability.STORE


def check_open(caller: Caller, job: Job) -> None:
    """Raises Forbidden when the caller may see that there is this job, and no more."""
    if not is_open(caller, job):
        raise Forbidden(
            "This job is another key's",
            "what it was asked and what came of it is for who submitted it",
            "use the key it was submitted with, or an admin's",
        )


def job_out(caller: Caller, job: Job) -> JobOut:
    """The job, without what is in it when that is not the caller's."""
    shown = JobOut.model_validate(job)
    return shown if is_open(caller, job) else shown.model_copy(update=_HIDDEN)


def job_detail(caller: Caller, job: Job, shown: JobDetail) -> JobDetail:
    """The same of a job with its attempts."""
    return shown if is_open(caller, job) else shown.model_copy(update=_HIDDEN)


def schedule_out(caller: Caller, row: Schedule) -> ScheduleOut:
    """The schedule, without its job's parameters when it is not the caller's."""
    shown = ScheduleOut.model_validate(row)
    return shown if caller.sees in (None, row.owner) else shown.model_copy(update={"job": {**shown.job, "params": {}}})


async def readable(door: FrontDoor, caller: Caller, page: Sequence[Event]) -> list[Event]:
    """The events without what jobs of others wrote."""
    written = {event.job_id for event in page if event.type in _WRITTEN and event.job_id is not None}
    if caller.sees is None or not written:
        return list(page)
    mine = await run_in_threadpool(_open, door, caller, written)
    return [event for event in page if event.type not in _WRITTEN or event.job_id in mine]


def _open(door: FrontDoor, caller: Caller, jobs: Collection[str]) -> Collection[str]:
    """Those that the caller may read; of a job that was forgotten nobody knows any more whose it was."""
    with door.read() as session:
        return {job.id for job in session.scalars(select(Job).where(Job.id.in_(jobs))) if is_open(caller, job)}
