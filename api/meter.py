"""What keys use: counted as it happens, written down every other second, and held against their limits.

Counting costs a request no query. What was counted and not yet written is written when the process is told to stop; a
process that is killed loses two seconds of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from threading import Lock

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.gateway.model_names import find
from shared import usage
from shared.db import Database
from shared.errors import CidermillError
from shared.keys import Caller
from shared.quotas import Account, Limit
from shared.tables import Job
from shared.usage import Part, Spent

_log = structlog.get_logger(__name__)

_WRITE = 2.0


class Meter:
    """Counts for all keys; each process of the front door has one."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._spent: dict[Part, Spent] = {}
        #: Jobs that ended well and whose usage is still to be read.
        self._jobs: list[str] = []
        self._accounts: dict[str, Account] = {}
        self._lock = Lock()

    async def admit(self, caller: Caller) -> Account:
        """Count a request, which ends with `Account.leave`. Raises QuotaExceeded."""
        account = self._accounts.get(caller.id)
        if account is None:
            account = await run_in_threadpool(self._account, caller)
        account.admit(caller.limits, time.time())
        return account

    def admit_jobs(self, caller: Caller, count: int) -> None:
        """Count so many jobs as requests; what they use is counted when they end. Raises QuotaExceeded."""
        if not caller.limits:
            return
        account = self._account(caller)
        limits = {name: limit for name, limit in caller.limits.items() if name != Limit.CONCURRENT}
        for _ in range(count):
            account.admit(limits, time.time())
            account.leave(0, time.time())

    def account(self, caller: Caller) -> Account:
        """What a caller that was here before has used."""
        return self._accounts[caller.id]

    def count(self, part: Part, spent: Spent) -> None:
        """Note what was used; the model may be called as the client calls it."""
        with self._lock:
            self._spent[part] = self._spent.get(part, Spent()) + spent

    def finished(self, job_ids: Iterable[str]) -> None:
        """Note what these jobs used; only those that ended well used something."""
        with self._lock:
            self._jobs.extend(job_ids)

    async def run(self) -> None:
        """Write down what was counted, again and again."""
        while True:
            await asyncio.sleep(_WRITE)
            await run_in_threadpool(self.write)

    def write(self) -> None:
        """Write it down now; what cannot be written is kept for the next time."""
        with self._lock:
            spent, self._spent = self._spent, {}
            jobs, self._jobs = self._jobs, []
        if not spent and not jobs:
            return
        try:
            with self._database.write() as session:
                of_jobs = _of_jobs(session, jobs)
                usage.add(session, _total(_named(session, spent), of_jobs))
        except SQLAlchemyError as error:
            _log.warning("usage cannot be written down yet", reason=str(error).splitlines()[0])
            with self._lock:
                self._spent = _total(spent, self._spent)
                self._jobs = jobs + self._jobs
            return
        for part, it in of_jobs.items():
            if part.key in self._accounts:
                self._accounts[part.key].use("tokens", it.tokens, time.time())

    def _account(self, caller: Caller) -> Account:
        """What the day has seen already counts, also after a restart; only limits of a day outlive one."""
        if caller.id in self._accounts:
            return self._accounts[caller.id]
        account = Account()
        if caller.limits.keys() & {Limit.REQUESTS_DAY, Limit.TOKENS_DAY}:
            moment = time.time()
            before = self._today(caller.id, usage.day_of(moment))
            account.recall(before.requests, before.tokens, moment)
        return self._accounts.setdefault(caller.id, account)

    def _today(self, key: str, day: str) -> Spent:
        with self._database.read() as session:
            return usage.of_day(session, key, day)


def _total(*parts: dict[Part, Spent]) -> dict[Part, Spent]:
    total: dict[Part, Spent] = {}
    for some in parts:
        for part, spent in some.items():
            total[part] = total.get(part, Spent()) + spent
    return total


def _named(session: Session, spent: dict[Part, Spent]) -> dict[Part, Spent]:
    """The same under the catalog's names; a model that is gone keeps the name that the client used."""
    named = []
    for part, it in spent.items():
        name = part.model
        with suppress(CidermillError):
            name = find(session, part.model).model.name
        named.append({Part(part.key, name): it})
    return _total(*named)


def _of_jobs(session: Session, job_ids: list[str]) -> dict[Part, Spent]:
    rows = session.execute(select(Job.owner, Job.model, Job.result).where(Job.id.in_(job_ids)))
    return _total(*({Part(owner, model): _spent(result)} for owner, model, result in rows if model and result))


def _spent(result: dict[str, object]) -> Spent:
    """What a job's result says it took."""

    def number(name: str) -> float:
        value = result.get(name)
        return value if isinstance(value, int | float) else 0

    return Spent(
        requests=int(number("items")) or 1,
        prompt=int(number("prompt_tokens")),
        cached=int(number("cached_tokens")),
        completion=int(number("completion_tokens")),
        audio=float(number("duration")),
        seconds=float(number("seconds")),
        joules=float(number("joules")) or None,
    )
