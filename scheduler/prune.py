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
from shared.jobs import inputs, pieces
from shared.leader import Fence
from shared.runs import learning
from shared.tables import Batch, Call, Event, File, Job, Run, is_live_batch
from shared.vocabulary import FINAL_RUN_STATES

#: Deletes what ended before a moment: whether there may be more, and the ids of files whose bytes may go.
_Step = Callable[[Session, float], tuple[bool, Sequence[str]]]

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
            more, files = step(session, clock_time(session) - self._retention)
        for file_id in files:
            self._files.remove(file_id)
        return more


def _jobs(session: Session, before: float) -> tuple[bool, Sequence[str]]:
    """Their pieces first, since a job may have any number of them.

    What they made expires with them, so that it stays while others work through it.
    """
    old = _old_jobs(session, before)
    if pieces.forget(session, old):
        return True, ()
    session.execute(update(File).where(File.job_id.in_(old)).values(expires_at=clock_time(session)))
    session.execute(delete(Job).where(Job.id.in_(old)))
    return len(old) == _AT_ONCE, ()


def _old_jobs(session: Session, before: float) -> list[str]:
    """But for those of batches that are not over: their answers are still to be written."""
    long = select(Batch.parts).where(is_live_batch, Batch.created_at < before)
    needed = {part["job"] for parts in session.scalars(long) for part in parts}
    over = select(Job.id).where(Job.finished_at < before).order_by(Job.finished_at).limit(_AT_ONCE + len(needed))
    return list(islice((job_id for job_id in session.scalars(over) if job_id not in needed), _AT_ONCE))


def _expired(session: Session, before: float) -> tuple[bool, Sequence[str]]:
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
    return len(old) == _AT_ONCE, old


def _runs(session: Session, before: float) -> tuple[bool, Sequence[str]]:
    """Not while they hold memory: that is known only by their rows."""
    old = session.scalars(
        select(Run.id)
        .where(Run.state.in_(FINAL_RUN_STATES), Run.ended_at < before, Run.memory_held == 0)
        .order_by(Run.ended_at)
        .limit(_AT_ONCE)
    ).all()
    session.execute(delete(Run).where(Run.id.in_(old)))
    return len(old) == _AT_ONCE, ()


def _events(session: Session, before: float) -> tuple[bool, Sequence[str]]:
    """In the order they happened, so that the look stops at the first that is young enough."""
    oldest = session.execute(select(Event.seq, Event.at).order_by(Event.seq).limit(_AT_ONCE)).all()
    old = [seq for seq, at in oldest if at < before]
    session.execute(delete(Event).where(Event.seq.in_(old)))
    return len(old) == _AT_ONCE, ()


def _calls(session: Session, before: float) -> tuple[bool, Sequence[str]]:
    """As events."""
    oldest = session.execute(select(Call.seq, Call.at).order_by(Call.seq).limit(_AT_ONCE)).all()
    old = [seq for seq, at in oldest if at < before]
    session.execute(delete(Call).where(Call.seq.in_(old)))
    return len(old) == _AT_ONCE, ()


def _lessons(session: Session, before: float) -> tuple[bool, Sequence[str]]:
    """All at once: there are few."""
    learning.forget_versions(session)
    return False, ()
