"""Submits the downloads that plans decide, each once.

On a thread of its own: to submit a download asks the hub for its size, and nobody's work waits for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog
from sqlalchemy import select
from sqlalchemy.exc import DataError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from scheduler.decisions import Fetch
from scheduler.reading.fetches import ASKER, PAUSE, key_of, read_fetches
from shared import leader
from shared.db import Database, clock_time
from shared.errors import CidermillError, StaleTransition
from shared.jobs import service
from shared.jobs.intake import Submission
from shared.jobs.where import Where
from shared.leader import Fence
from shared.tables import Model
from shared.vocabulary import Priority

_log = structlog.get_logger(__name__)


class Fetcher:
    """Takes what a whole look has decided; while it is at work, it takes nothing, and the next look decides anew."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="fetcher")
        self._work: Future[int] | None = None
        #: Of those that could not be submitted, by model id and host.
        self._not_before: dict[tuple[str, str], float] = {}

    def tick(self, fence: Fence, fetches: Iterable[Fetch]) -> None:
        """Begin to submit what was decided, unless some is being submitted."""
        wanted = list(fetches)
        if wanted and (self._work is None or self._work.done()):
            self._work = self._thread.submit(self.fetch, fence, wanted)

    def close(self) -> None:
        """Wait for the work under way."""
        self._thread.shutdown()

    def fetch(self, fence: Fence, fetches: Iterable[Fetch]) -> int:
        """Submit them; how many were not under way already."""
        try:
            return sum(self._fetch(fence, each) for each in fetches)
        except (StaleTransition, DBAPIError, PoolTimeout) as error:
            _log.warning("fetches wait for the next tick", reason=str(error).splitlines()[0])
            return 0

    def _fetch(self, fence: Fence, wanted: Fetch) -> bool:
        with self._database.read() as session:
            moment = clock_time(session)
            if self._not_before.get((wanted.model_id, wanted.host), 0.0) > moment or not _stands(session, wanted):
                return False
        try:
            job_id = self._submit(fence, wanted, moment)
        except StaleTransition:
            raise
        except (CidermillError, DataError, ValueError, OverflowError) as error:
            self._not_before[wanted.model_id, wanted.host] = moment + PAUSE
            _log.warning("could not fetch", model=wanted.model, host=wanted.host, reason=str(error))
            return False
        if job_id is not None:
            _log.info("fetches", model=wanted.model, host=wanted.host, job=job_id)
        return job_id is not None

    def _submit(self, fence: Fence, wanted: Fetch, moment: float) -> str | None:
        """Its job, unless somebody was faster; only who leads submits, so that looking before is enough."""
        with self._database.read() as session:
            prepared = service.prepare(session, [_submission(wanted, moment)], ASKER, internal=True)
        with self._database.write() as session:
            leader.check(session, fence)
            return service.queue(session, prepared)[0].id if _stands(session, wanted) else None


def _submission(wanted: Fetch, moment: float) -> Submission:
    return Submission(
        "download",
        {"model": wanted.reference, "name": wanted.model, "host": wanted.host},
        priority=list(Priority)[wanted.rank],
        placement=Where(tolerations=wanted.tolerations),
        idempotency_key=key_of(wanted.model_id, wanted.host, moment),
    )


def _stands(session: Session, wanted: Fetch) -> bool:
    """The model is still in the catalog, on its way nowhere, and was not tried there a short while ago."""
    known = read_fetches(session.connection(), clock_time(session))
    if wanted.model_id in known.coming or wanted.host in known.tried.get(wanted.model_id, ()):
        return False
    return session.scalar(select(Model.id).where(Model.id == wanted.model_id)) is not None
