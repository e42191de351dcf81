"""Telling waiting work why it waits: written where it changed, at most once a second."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Select, select, tuple_, update
from sqlalchemy.orm import Session

from scheduler.decisions import Plan
from scheduler.reasons import Code, Reason
from shared import events, leader
from shared.db import Database, clock_time
from shared.events import NewEvent
from shared.explanation import waiting
from shared.jobs import state as jobs
from shared.leader import Fence
from shared.runs import state as runs
from shared.tables import Job, is_waiting_job
from shared.vocabulary import JobState, Priority, RunState

#: Rows in one transaction, so that nobody waits long for the database.
_AT_ONCE = 500
#: The same for jobs that no plan has looked at.
_MOST = 2000
#: Seconds by which transactions that queue jobs may end late.
_LATE = 5.0

#: Makes the event that something waits for another reason than before.
_Event = Callable[[str, Reason], NewEvent]
_Write = Callable[[Session, Fence, dict[str, dict[str, Any] | None]], None]

_LATER = Reason(Code.LATER, "it is not to start yet: see not_before")
_BEHIND = Reason(Code.ORDER, "many jobs are ahead of it in the queue")


def _job_blocked(job_id: str, reason: Reason) -> NewEvent:
    said = waiting(job_id, JobState.QUEUED, reason.as_json())
    return {"type": "job.blocked", "job_id": job_id, "data": said.model_dump(mode="json")}


def _run_blocked(run_id: str, reason: Reason) -> NewEvent:
    said = waiting(run_id, RunState.PENDING, reason.as_json())
    return {"type": "run.blocked", "run_id": run_id, "data": said.model_dump(mode="json")}


class Explainer:
    """Remembers what it has told, so that nothing is written twice."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: dict[str, Reason] = {}
        self._runs: dict[str, Reason] = {}
        #: All that was queued before has been told something.
        self._silent_since = 0.0

    def clear(self) -> None:
        """Another scheduler may have told something else since."""
        self._jobs, self._runs, self._silent_since = {}, {}, 0.0

    def forget(self, job_ids: Iterable[str]) -> None:
        """These have been assigned, which wiped what they were told."""
        for job_id in job_ids:
            self._jobs.pop(job_id, None)

    def explain(self, fence: Fence, plan: Plan, overflow: tuple[int, float, str] | None) -> None:
        """Write the reasons of `plan`; `overflow` is the last job it has seen when more wait behind it."""
        self._tell(fence, self._jobs, plan.blocked_jobs, jobs.block, _job_blocked)
        self._tell(fence, self._runs, plan.blocked_runs, runs.block, _run_blocked)
        self._jobs, self._runs = dict(plan.blocked_jobs), dict(plan.blocked_runs)
        with self._database.write() as session:
            leader.check(session, fence)
            self._silent_since = _tell_unseen(session, overflow, self._silent_since)

    def _tell(
        self, fence: Fence, told: Mapping[str, Reason], reasons: Mapping[str, Reason], write: _Write, event: _Event
    ) -> None:
        news = [(subject, reason) for subject, reason in reasons.items() if told.get(subject) != reason]
        for some in _batches(news):
            with self._database.write() as session:
                write(session, fence, {subject: reason.as_json() for subject, reason in some})
                events.record(session, [event(s, reason) for s, reason in some if _is_new(told.get(s), reason)])


def _is_new(before: Reason | None, reason: Reason) -> bool:
    """Worth an event: numbers that moved are not."""
    return before is None or before.code != reason.code


def _tell_unseen(session: Session, overflow: tuple[int, float, str] | None, since: float) -> float:
    """Jobs that no plan has looked at, for they are not due or too far back; what is queued later is to be told next.

    The index finds those queued since; walking a long queue each time would hold up everybody.
    """
    moment = clock_time(session)
    newer = (Job.rank.in_(range(len(Priority))), Job.queued_at >= since)
    silent = select(Job.id).where(is_waiting_job, *newer, Job.blocked_by.is_(None)).limit(_MOST)
    told = [_told(session, silent.where(Job.not_before > moment), _LATER)]
    if overflow is not None:
        told.append(_told(session, silent.where(tuple_(Job.rank, Job.queued_at, Job.id) > overflow), _BEHIND))
    return since if max(told) == _MOST else moment - _LATE


def _told(session: Session, which: Select[Any], reason: Reason) -> int:
    statement = update(Job).where(Job.id.in_(which)).values(blocked_by=reason.as_json()).returning(Job.id)
    return len(session.execute(statement, execution_options={"synchronize_session": False}).all())


def _batches(news: Iterable[tuple[str, Reason]]) -> Iterator[list[tuple[str, Reason]]]:
    some = list(news)
    for start in range(0, len(some), _AT_ONCE):
        yield some[start : start + _AT_ONCE]
