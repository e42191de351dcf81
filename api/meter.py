"""What keys use: counted as it happens, and written down every other second.

Counting costs a request no query; what keys may use at most is another matter (`api.quota_desk`). What was counted and
not yet written is written when the process is told to stop; a process that is killed loses two seconds of it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock

import structlog
from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.energy import Energy
from api.gateway.model_names import find
from api.quota_desk import Desk
from api.unwritten import Unwritten
from api.work_charge import of_jobs, of_pieces
from shared import calls, usage
from shared.calls import Called
from shared.db import Database
from shared.errors import CidermillError
from shared.protocol import Item
from shared.settings import Settings
from shared.usage import Part, Spent, total

_log = structlog.get_logger(__name__)

_WRITE = 2.0
#: What is raised for what a database can never take, or JSON; SQLite's driver raises Python's own errors.
_NEVER = (DataError, IntegrityError, OverflowError, RecursionError, ValueError)


class Meter:
    """Counts for all keys; each process of the front door has one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._default = database, settings.default_model
        #: What requests use of it is known a moment after they are counted.
        self.energy = Energy(settings.lease_seconds, settings.sync_seconds)
        self._unwritten = Unwritten()
        self.desk = Desk(database)
        self._lock, self._writing = Lock(), Lock()

    def count(self, part: Part, spent: Spent) -> None:
        """Note what was used; the model may be called as the client calls it."""
        with self._lock:
            sums = self._unwritten.spent
            sums[part] = sums.get(part, Spent()) + spent

    def finished(self, job_ids: Iterable[str]) -> None:
        """Note what these jobs used; only those that ended well used something."""
        with self._lock:
            self._unwritten.jobs.extend(job_ids)

    def kept(self, job_id: str, items: Iterable[Item]) -> None:
        """Note what finished pieces of a job used, which are kept whatever becomes of the job."""
        spent = of_pieces(items)
        if spent != Spent():
            with self._lock:
                sums = self._unwritten.pieces
                sums[job_id] = sums.get(job_id, Spent()) + spent

    def called(self, call: Called) -> None:
        """Log a request that is over."""
        with self._lock:
            self._unwritten.calls.append(call)

    async def run(self) -> None:
        """Write down what was counted, again and again."""
        while True:
            await asyncio.sleep(_WRITE)
            await run_in_threadpool(self.write)

    def write(self) -> None:
        """Write it down now; what cannot be written yet is kept for the next time, what never can is left out.

        Whoever asks while another writes waits for that, and then finds all that was counted before.
        """
        with self._writing:
            self._charge_energy()
            self._write()

    def _write(self) -> None:
        with self._lock:
            found, self._unwritten = self._unwritten, Unwritten()
        left = deque([found] if found else [])
        while left:
            batch = left.popleft()
            try:
                self._enter(batch)
            except (SQLAlchemyError, *_NEVER) as error:
                if not _is_never(error):
                    _log.warning("usage cannot be written down yet", reason=str(error).splitlines()[0])
                    self._keep([batch, *left])
                    return
                parts = batch.apart()
                if len(parts) > 1:
                    left.extend(parts)
                else:
                    _log.warning("usage can never be written down and is left out", reason=type(error).__name__)
            except BaseException:
                self._keep([batch, *left])
                raise
        try:
            self.desk.write()
        except SQLAlchemyError as error:
            _log.warning("quotas cannot be written down yet", reason=str(error).splitlines()[0])

    def _enter(self, batch: Unwritten) -> None:
        """All of it, in one transaction."""
        with self._database.write() as session:
            work = of_jobs(session, batch.pieces, batch.jobs)
            usage.add(session, total(_named(session, batch.spent, self._default), work))
            calls.record(session, batch.calls)
        for part, it in work.items():
            self.desk.used(part.key, it.tokens)

    def _keep(self, batches: Iterable[Unwritten]) -> None:
        with self._lock:
            self._unwritten = sum(batches, Unwritten()) + self._unwritten

    def _charge_energy(self) -> None:
        """Count what requests used that are over; hosts are asked again when the database is back."""
        if self.energy.curious:
            with suppress(SQLAlchemyError), self._database.read() as session:
                self.energy.read(session)
        for part, spent in self.energy.settled().items():
            self.count(part, spent)

    def close(self) -> None:
        """Write the last of it."""
        self.write()
        with suppress(SQLAlchemyError):
            self.desk.close()


def _is_never(error: Exception) -> bool:
    """What happens while parameters are made ready, SQLAlchemy raises as its own."""
    return isinstance(error, _NEVER) or isinstance(getattr(error, "orig", None), _NEVER)


def _named(session: Session, spent: dict[Part, Spent], default: str | None) -> dict[Part, Spent]:
    """The same under the catalog's names; a model that is gone keeps the name that the client used."""
    named = []
    for part, it in spent.items():
        name = part.model
        with suppress(CidermillError):
            name = find(session, part.model, default).model.name
        named.append({Part(part.key, name): it})
    return total(*named)
