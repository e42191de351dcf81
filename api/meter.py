"""What keys use: counted as it happens, and written down every other second.

Counting costs a request no query; what keys may use at most is another matter (`api.quota_desk`). What was counted and
not yet written is written when the process is told to stop; a process that is killed loses two seconds of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.energy import Energy
from api.gateway.model_names import find
from api.quota_desk import Desk
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
#: Calls that are kept while the database is away; of more the oldest are lost.
_MOST_CALLS = 10_000


class Meter:
    """Counts for all keys; each process of the front door has one."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database, self._default = database, settings.default_model
        #: What requests use of it is known a moment after they are counted.
        self.energy = Energy(settings.lease_seconds, settings.sync_seconds)
        self._spent: dict[Part, Spent] = {}
        #: Jobs that ended well and whose usage is still to be read, and what pieces of jobs took, by the job.
        self._jobs: list[str] = []
        self._pieces: dict[str, Spent] = {}
        self._calls: list[Called] = []
        self.desk = Desk(database)
        self._lock, self._writing = Lock(), Lock()

    def count(self, part: Part, spent: Spent) -> None:
        """Note what was used; the model may be called as the client calls it."""
        with self._lock:
            self._spent[part] = self._spent.get(part, Spent()) + spent

    def finished(self, job_ids: Iterable[str]) -> None:
        """Note what these jobs used; only those that ended well used something."""
        with self._lock:
            self._jobs.extend(job_ids)

    def kept(self, job_id: str, items: Iterable[Item]) -> None:
        """Note what finished pieces of a job used, which are kept whatever becomes of the job."""
        spent = of_pieces(items)
        if spent != Spent():
            with self._lock:
                self._pieces = total(self._pieces, {job_id: spent})

    def called(self, call: Called) -> None:
        """Log a request that is over."""
        with self._lock:
            self._calls.append(call)

    async def run(self) -> None:
        """Write down what was counted, again and again."""
        while True:
            await asyncio.sleep(_WRITE)
            await run_in_threadpool(self.write)

    def write(self) -> None:
        """Write it down now; what cannot be written is kept for the next time.

        Whoever asks while another writes waits for that, and then finds all that was counted before.
        """
        with self._writing:
            self._charge_energy()
            self._write()

    def _write(self) -> None:
        with self._lock:
            spent, self._spent = self._spent, {}
            jobs, self._jobs = self._jobs, []
            pieces, self._pieces = self._pieces, {}
            over, self._calls = self._calls, []
        work: dict[Part, Spent] = {}
        try:
            if spent or jobs or pieces or over:
                with self._database.write() as session:
                    work = of_jobs(session, pieces, jobs)
                    usage.add(session, total(_named(session, spent, self._default), work))
                    calls.record(session, over)
        except SQLAlchemyError as error:
            _log.warning("usage cannot be written down yet", reason=str(error).splitlines()[0])
            with self._lock:
                self._spent = total(spent, self._spent)
                self._jobs = jobs + self._jobs
                self._pieces = total(pieces, self._pieces)
                self._calls = (over + self._calls)[-_MOST_CALLS:]
            return
        for part, it in work.items():
            self.desk.used(part.key, it.tokens)
        try:
            self.desk.write()
        except SQLAlchemyError as error:
            _log.warning("quotas cannot be written down yet", reason=str(error).splitlines()[0])

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


def _named(session: Session, spent: dict[Part, Spent], default: str | None) -> dict[Part, Spent]:
    """The same under the catalog's names; a model that is gone keeps the name that the client used."""
    named = []
    for part, it in spent.items():
        name = part.model
        with suppress(CidermillError):
            name = find(session, part.model, default).model.name
        named.append({Part(part.key, name): it})
    return total(*named)
