"""What a job was asked and what came of it is for the key that submitted it, and for admins; the queue is everybody's.

Downloads and other work on the model store hold nothing that is anybody's own. A run answers everybody: what its engine
prints after it is ready, and why that died, may quote any request and is for admins.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import select
from starlette.concurrency import run_in_threadpool

from api.deps import FrontDoor
from api.schemas.jobs import JobDetail, JobOut
from api.schemas.queues import ScheduleOut
from api.schemas.runs import RunOut
from shared.errors import Forbidden
from shared.keys import Caller
from shared.tables import Event, Job, Run, Schedule
from shared.vocabulary import Capability

#: Events that tell what a job or a run wrote.
_WRITTEN = frozenset({"job.log", "job.output", "run.log"})
#: What others are told of an error: the rest may quote the request that an engine failed at.
_TOLD = ("code", "what")
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
    return shown if is_open(caller, job) else shown.model_copy(update=_HIDDEN | {"error": _told(shown.error)})


def job_detail(caller: Caller, job: Job, shown: JobDetail) -> JobDetail:
    """The same of a job with its attempts."""
    if is_open(caller, job):
        return shown
    tries = [attempt.model_copy(update={"error": _told(attempt.error)}) for attempt in shown.attempts]
    return shown.model_copy(update=_HIDDEN | {"error": _told(shown.error), "attempts": tries})


def schedule_out(caller: Caller, row: Schedule) -> ScheduleOut:
    """The schedule, without its job's parameters when it is not the caller's."""
    shown = ScheduleOut.model_validate(row)
    if caller.sees in (None, row.owner):
        return shown
    return shown.model_copy(update={"job": {**shown.job, "params": {}}, "error": _told(shown.error)})


def is_quiet(caller: Caller, run: Run | RunOut) -> bool:
    """Whether what ended the run may quote nothing that the caller may not read: it had answered nobody."""
    return caller.sees is None or run.ready_at is None


def run_out(caller: Caller, shown: RunOut) -> RunOut:
    """The run, without the last words of an engine that had answered others."""
    return shown if is_quiet(caller, shown) else shown.model_copy(update={"error": _told(shown.error)})


async def readable(door: FrontDoor, caller: Caller, page: Sequence[Event]) -> list[Event]:
    """The events without what jobs of others wrote, and runs once they answered; and without why those failed."""
    guarded = [event for event in page if event.type in _WRITTEN or "error" in event.data]
    if caller.sees is None or not guarded:
        return list(page)
    closed = await run_in_threadpool(_closed, door, caller, guarded)
    return [
        _without_error(event) if event.seq in closed else event
        for event in page
        if event.seq not in closed or event.type not in _WRITTEN
    ]


def _closed(door: FrontDoor, caller: Caller, events: Sequence[Event]) -> Collection[int]:
    """Numbers of those that are not for the caller; of what was forgotten nobody knows any more whose it was."""
    with door.read() as session:
        found = session.scalars(select(Job).where(Job.id.in_({event.job_id for event in events})))
        mine = {job.id for job in found if is_open(caller, job)}
        runs = {run.id: run for run in session.scalars(select(Run).where(Run.id.in_({e.run_id for e in events})))}
        return {event.seq for event in events if event.job_id not in mine and not _is_early(event, runs)}


def _is_early(event: Event, runs: Mapping[str, Run]) -> bool:
    """Whether it is of a run that had answered nobody then."""
    run = runs.get(event.run_id or "") if event.job_id is None else None
    return run is not None and (run.ready_at is None or event.at <= run.ready_at)


def _without_error(event: Event) -> Event:
    facts = {name: getattr(event, name) for name in ("seq", "at", "type", "job_id", "run_id", "host")}
    return Event(**facts, data={name: value for name, value in event.data.items() if name != "error"})


def _told(error: dict[str, Any] | None) -> dict[str, Any] | None:
    return {name: error[name] for name in _TOLD if name in error} if error else error
