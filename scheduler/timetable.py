"""Submits the jobs of schedules whose time has come, each once.

On a thread of its own: to check a job may mean to ask the hub, and nobody's work waits for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from shared import keys, leader, quota_book, schedules
from shared.db import Database, clock_time
from shared.errors import CidermillError, InvalidParameters, StaleTransition
from shared.jobs import service
from shared.jobs.intake import Submission
from shared.leader import Fence
from shared.tables import Schedule

_log = structlog.get_logger(__name__)

#: Seconds after which one that failed for a while, say because the hub did not answer, is tried again.
_AGAIN = 30.0
#: Schedules that one look tries; the others come with the next.
_AT_ONCE = 50


class Timetable:
    """Looks when told to; looks that take longer than a tick are not doubled."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="timetable")
        self._look: Future[int] | None = None
        self._failed_at: dict[str, float] = {}
        #: What the clock said last.
        self._latest = float("inf")

    def tick(self, fence: Fence) -> None:
        """Begin to look at what is due, unless a look is under way."""
        if self._look is None or self._look.done():
            self._look = self._thread.submit(self.fire, fence)

    def close(self) -> None:
        """Wait for the look under way."""
        self._thread.shutdown()

    def fire(self, fence: Fence) -> int:
        """Submit everything that is due; how much that was."""
        try:
            self._call_back(fence)
            with self._database.read() as session:
                moment = clock_time(session)
                rows = schedules.named(session, self._next(schedules.due(session), moment))
            return sum(self._fire(fence, row, moment) for row in rows)
        except (StaleTransition, DBAPIError, PoolTimeout) as error:
            _log.warning("schedules wait for the next tick", reason=str(error).splitlines()[0])
            return 0

    def _call_back(self, fence: Fence) -> None:
        """After the clock went back, and when this begins: it may have gone back before."""
        with self._database.read() as session:
            before, self._latest = self._latest, clock_time(session)
            rows = schedules.hurried(session) if self._latest < before else []
        for row in rows:
            with self._database.write() as session:
                leader.check(session, fence)
                schedules.call_back(session, row)

    def _next(self, due: Sequence[str], moment: float) -> list[str]:
        """Those to try in this look: what never failed comes before what did."""
        self._failed_at = {id_: self._failed_at[id_] for id_ in due if id_ in self._failed_at}
        ready = (id_ for id_ in due if not 0 <= moment - self._failed_at.get(id_, 0.0) < _AGAIN)
        return sorted(ready, key=lambda id_: self._failed_at.get(id_, 0.0))[:_AT_ONCE]

    def _fire(self, fence: Fence, row: Schedule, moment: float) -> bool:
        at = schedules.occasion(row, moment)
        try:
            job_id = self._submit(fence, row, at)
        except StaleTransition:
            raise
        except CidermillError as error:
            return self._failed(fence, row, at, error, moment)
        except (DataError, ValueError, OverflowError) as error:
            return self._failed(fence, row, at, _unstorable(error), moment)
        _log.info("schedule submitted its job", schedule=row.name, job=job_id)
        return True

    def _submit(self, fence: Fence, row: Schedule, at: float) -> str:
        """Job and note are one transaction; where another leader was faster, its job is found."""
        wanted = schedules.submission(row, f"{at:.0f}")
        try:
            return self._queue(fence, row, at, wanted)
        except IntegrityError:
            return self._queue(fence, row, at, wanted)

    def _queue(self, fence: Fence, row: Schedule, at: float, wanted: Submission) -> str:
        with self._database.read() as session:
            prepared = service.prepare(session, [wanted], row.owner)
            owner = keys.holder(session, row.owner)
        with self._database.write() as session:
            leader.check(session, fence)
            submitted = service.queue(session, prepared)[0]
            if submitted.fresh:
                quota_book.admit_jobs(session, owner.id, owner.limits, wanted.requests)
            schedules.note(session, row, at, submitted.id, None)
        return submitted.id

    def _failed(self, fence: Fence, row: Schedule, at: float, error: CidermillError, moment: float) -> bool:
        """It is told; what may work later is tried again, of anything else the next time is waited for."""
        _log.warning("schedule could not submit its job", schedule=row.name, reason=str(error))
        with self._database.write() as session:
            leader.check(session, fence)
            if error.retryable:
                schedules.note_delay(session, row, error.problem)
            else:
                schedules.note(session, row, at, None, error.problem)
        if error.retryable:
            self._failed_at[row.id] = moment
        return False


def _unstorable(error: Exception) -> InvalidParameters:
    """No later time would help: only somebody who changes the schedule does."""
    why = str(getattr(error, "orig", None) or error).splitlines()[0]
    return InvalidParameters("The job holds what cannot be stored", why, "remove the schedule, and add it corrected")
