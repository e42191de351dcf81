"""Forgetting what is over for longer than the retention: jobs with all that belongs to them, runs, events, calls.

At once go files that have expired, and what was learned of engines in versions that no host offers any more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from shared import leader, queues
from shared.db import Database, clock_time
from shared.files import FileStore
from shared.jobs import inputs
from shared.leader import Fence
from shared.runs import learning
from shared.tables import Batch, Call, Event, File, Job, Run, is_live_batch
from shared.vocabulary import FINAL_JOB_STATES, FINAL_RUN_STATES

#: Deletes what ended before a moment: how many rows, and the ids of files whose bytes may go.
_Step = Callable[[Session, float], tuple[int, Sequence[str]]]

#: Rows in one transaction, so that nobody waits long for the database.
_AT_ONCE = 500


class Pruner:
    """Deletes old rows in small transactions, and the bytes of the files that belonged to them."""

    def __init__(self, database: Database, files: FileStore, retention: float) -> None:
        self._database = database
        self._files = files
        #: Seconds.
        self._retention = retention

    def prune(self, fence: Fence) -> bool:
        """Delete some of what is too old; is there more? Raises StaleTransition."""
        with self._database.write() as session:
            leader.check(session, fence)
            queues.forget_idle(session)
        return any(self._prune(fence, step) for step in (_jobs, _expired, _runs, _events, _calls, _lessons))

    def _prune(self, fence: Fence, step: _Step) -> bool:
        with self._database.write() as session:
            leader.check(session, fence)
            rows, files = step(session, clock_time(session) - self._retention)
        for file_id in files:
            self._files.forget(self._files.path(file_id))
        return rows == _AT_ONCE


def _jobs(session: Session, before: float) -> tuple[int, Sequence[str]]:
    """But for those of batches that are not over: their answers are still to be written.

    What they made expires with them, so that it stays while others work through it.
    """
    long = select(Batch.parts).where(is_live_batch, Batch.created_at < before)
    needed = {part["job"] for parts in session.scalars(long) for part in parts}
    old = session.scalars(
        select(Job.id)
        .where(Job.state.in_(FINAL_JOB_STATES), Job.finished_at < before, Job.id.not_in(needed))
        .order_by(Job.id)
        .limit(_AT_ONCE)
    ).all()
    session.execute(update(File).where(File.job_id.in_(old)).values(expires_at=clock_time(session)))
    session.execute(delete(Job).where(Job.id.in_(old)))
    return len(old), ()


def _expired(session: Session, before: float) -> tuple[int, Sequence[str]]:
    """Files whose time is over, but for those that a batch or a job still works through."""
    over = session.scalars(
        select(File.id)
        .where(File.expires_at <= clock_time(session))
        .where(File.id.not_in(select(Batch.input_file).where(is_live_batch)))
        .order_by(File.expires_at)
    ).all()
    used = inputs.in_use(session) if over else set()
    old = list(islice((file_id for file_id in over if file_id not in used), _AT_ONCE))
    session.execute(delete(File).where(File.id.in_(old)))
    return len(old), old


def _runs(session: Session, before: float) -> tuple[int, Sequence[str]]:
    """Not while they hold memory: that is known only by their rows."""
    old = session.scalars(
        select(Run.id)
        .where(Run.state.in_(FINAL_RUN_STATES), Run.ended_at < before, Run.memory_held == 0)
        .order_by(Run.id)
        .limit(_AT_ONCE)
    ).all()
    session.execute(delete(Run).where(Run.id.in_(old)))
    return len(old), ()


def _events(session: Session, before: float) -> tuple[int, Sequence[str]]:
    """In the order they happened, so that the look stops at the first that is young enough."""
    oldest = session.execute(select(Event.seq, Event.at).order_by(Event.seq).limit(_AT_ONCE)).all()
    old = [seq for seq, at in oldest if at < before]
    session.execute(delete(Event).where(Event.seq.in_(old)))
    return len(old), ()


def _calls(session: Session, before: float) -> tuple[int, Sequence[str]]:
    """As events."""
    oldest = session.execute(select(Call.seq, Call.at).order_by(Call.seq).limit(_AT_ONCE)).all()
    old = [seq for seq, at in oldest if at < before]
    session.execute(delete(Call).where(Call.seq.in_(old)))
    return len(old), ()


def _lessons(session: Session, before: float) -> tuple[int, Sequence[str]]:
    """All at once: there are few."""
    learning.forget_versions(session)
    return 0, ()
