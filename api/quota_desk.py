"""Where requests of keys with limits are admitted: each front door has one desk, and all share one book.

A key without limits costs no query. With limits each request is one short transaction; the tokens it used are written
with the next one, or two seconds later.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from threading import Lock

from sqlalchemy import event
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from shared import quota_book
from shared.db import Database, clock_time
from shared.identifiers import new_id
from shared.keys import Caller
from shared.quotas import Account, Limit, Limits
from shared.tables import Key


@dataclass(slots=True)
class Ticket:
    """One request that was admitted."""

    desk: Desk
    key: str
    #: How the key stood then.
    account: Account = field(default_factory=Account)
    #: Does it take one of the places that the key has at the same time?
    counted: bool = False

    def leave(self, tokens: int) -> None:
        """The request has ended, and used so many tokens."""
        self.desk.left(self, tokens)


class Desk:
    """Admits requests; from any thread."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._name = new_id("door")
        self._lock = Lock()
        #: By key: requests under way here, and tokens that are not in the book yet.
        self._in_flight: Counter[str] = Counter()
        self._tokens: Counter[str] = Counter()
        #: Keys whose requests under way others know of.
        self._told: set[str] = set()

    async def admit(self, caller: Caller) -> Ticket:
        """Count a request, which ends with `Ticket.leave`. Raises QuotaExceeded."""
        if not caller.limits:
            return Ticket(self, caller.id)
        return await run_in_threadpool(self._admit, caller, caller.limits)

    async def seat(self, caller: Caller) -> Ticket:
        """A place among the key's requests at the same time, for what counts as none. Raises QuotaExceeded."""
        held = {name: most for name, most in caller.limits.items() if name == Limit.CONCURRENT}
        return await run_in_threadpool(self._admit, caller, held) if held else Ticket(self, caller.id)

    def admit_jobs(self, session: Session, caller: Caller, count: int) -> None:
        """Count so many jobs as requests in the transaction that makes them: without the jobs it is undone.

        What they use is counted when they end. Raises QuotaExceeded.
        """
        if not count or not caller.limits:
            return
        account, moment, tokens = self._opened(session, caller.id, caller.limits)
        account.admit_many(count, caller.limits, moment)
        quota_book.keep(session, caller.id, account, caller.limits)
        event.listen(session, "after_commit", lambda _: self._entered(caller.id, tokens), once=True)

    async def standing(self, caller: Caller) -> Account:
        """How a key stands now."""
        return await run_in_threadpool(self._standing, caller)

    def used(self, key: str, tokens: int) -> None:
        """Count tokens."""
        if key and tokens:
            with self._lock:
                self._tokens[key] += tokens

    def left(self, ticket: Ticket, tokens: int) -> None:
        """The end of an admitted request."""
        self.used(ticket.key, tokens)
        if ticket.counted:
            with self._lock:
                self._in_flight[ticket.key] -= 1

    def write(self) -> None:
        """Enter what was used and what is under way into the book. Raises SQLAlchemyError, and loses nothing then."""
        for key in list(self._tokens):
            with self._database.write() as session:
                row = session.get(Key, key)
                if row is not None and row.limits:
                    account, _, tokens = self._opened(session, key, row.limits)
                    quota_book.keep(session, key, account, row.limits)
                else:
                    tokens = self._tokens[key]
            self._entered(key, tokens)
        if self._told:
            with self._lock:
                flying = {key: self._in_flight[key] for key in self._told}
            with self._database.write() as session:
                quota_book.fly(session, self._name, flying, clock_time(session))
            with self._lock:
                self._told -= {key for key, count in flying.items() if not count and not self._in_flight[key]}

    def close(self) -> None:
        """Nothing is under way here any more."""
        with self._database.write() as session:
            quota_book.land(session, self._name, clock_time(session))

    def _admit(self, caller: Caller, limits: Limits) -> Ticket:
        key = caller.id
        ticket = Ticket(self, key, counted=Limit.CONCURRENT in limits)
        taken = False
        try:
            with self._database.write() as session:
                # The book keeps other requests of the key from looking before this one is counted.
                account, moment, tokens = self._opened(session, key, limits)
                account.in_flight += self._in_flight[key]
                account.admit(limits, moment)
                quota_book.keep(session, key, account, limits)
                if ticket.counted:
                    self._take(key)
                    taken = True
                    quota_book.fly(session, self._name, {key: self._in_flight[key]}, moment)
        except BaseException:
            if taken:
                with self._lock:
                    self._in_flight[key] -= 1
            raise
        if limits == caller.limits:  # else what was used is not written
            self._entered(key, tokens)
        ticket.account = account
        return ticket

    def _take(self, key: str) -> None:
        with self._lock:
            self._in_flight[key] += 1
            self._told.add(key)

    def _standing(self, caller: Caller) -> Account:
        with self._database.write() as session:
            return self._opened(session, caller.id, caller.limits)[0]

    def _opened(self, session: Session, key: str, limits: Limits) -> tuple[Account, float, int]:
        """The account with the tokens that are not in the book yet, the time, and how many those are."""
        moment = clock_time(session)
        account = quota_book.opened(session, key, self._name, limits, moment)
        tokens = self._tokens[key]
        account.use("tokens", tokens, moment)
        return account, moment, tokens

    def _entered(self, key: str, tokens: int) -> None:
        with self._lock:
            self._tokens[key] -= tokens
            if not self._tokens[key]:
                del self._tokens[key]
