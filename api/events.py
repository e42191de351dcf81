"""Following events: everybody who follows is woken by one reader, and nothing that is settled is skipped."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import structlog
from sqlalchemy import func, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.bell import Bell, KeptBell
from api.horizon import Horizon
from shared.db import Database
from shared.events import read_after
from shared.tables import Event

_log = structlog.get_logger(__name__)

#: Seconds between two looks for what other processes wrote, while anybody follows.
_LOOK = 0.1
_AFTER_ERROR = 1.0
_PAGE = 500
#: Numbers taken in by one look.
_STRIDE = 5000
#: A snapshot has the transactions of all databases of a server: those that are known to be of others are left out.
_OLDEST = text("""
    select least(pg_snapshot_xmax(pg_current_snapshot())::text::bigint, (
        select min(id::text::bigint) from pg_snapshot_xip(pg_current_snapshot()) as id where id::xid not in (
            select backend_xid from pg_stat_activity where datname <> current_database() and backend_xid is not null
            union all select transaction from pg_prepared_xacts where database <> current_database()
        )
    ))
""")


@dataclass(frozen=True)
class Topic:
    """Which events; what is unset does not matter."""

    job_id: str | None = None
    run_id: str | None = None
    types: tuple[str, ...] = ()


@dataclass(slots=True)
class Place:
    """How far somebody has followed; `None`: not at all, from now on."""

    after: int | None


class Feed:
    """Wakes followers when there is more to read."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._horizon: Horizon | None = None
        #: The newest number at the start, and a transaction younger than all that may write below it.
        self._start: tuple[int, int] | None = None
        self._followers = 0
        self._more = Bell()
        self._poked = KeptBell()
        self.closed = False

    def poke(self) -> None:
        """Something was committed here: look at once. For any thread; costs nothing while nobody follows."""
        if self._followers:
            self._poked.ring()

    def close(self) -> None:
        """End all streams."""
        self.closed = True
        self._more.ring()
        self._poked.ring()

    async def run(self) -> None:
        """Look while anybody follows, until `close`."""
        while not self.closed:
            await self._poked.wait(_LOOK if self._followers else None)
            if not self._followers:
                self._horizon = self._start = None
                continue
            try:
                if await run_in_threadpool(self._look):
                    self._more.ring()
            except SQLAlchemyError as error:
                _log.warning("events cannot be read", reason=str(error).splitlines()[0])
                await asyncio.sleep(_AFTER_ERROR)

    async def follow(self, topic: Topic, place: Place, idle: float) -> AsyncIterator[list[Event]]:
        """Events later than `place`, which moves on, in order; an empty list after each `idle` seconds."""
        self._followers += 1
        self._poked.ring()
        try:
            while not self.closed:
                settled = self._horizon.settled if self._horizon is not None else None
                if settled is not None:
                    place.after = settled if place.after is None else min(place.after, settled)
                if settled is None or place.after is None or settled == place.after:
                    if not await self._more.wait(idle):
                        yield []
                    continue
                page = await run_in_threadpool(self.read, topic, place.after, settled)
                if page:
                    yield page
                place.after = page[-1].seq if len(page) == _PAGE else settled
        finally:
            self._followers -= 1

    def read(self, topic: Topic, after: int, until: int | None = None) -> list[Event]:
        """A page of events later than `after`, no later than `until`."""
        with self._database.read() as session:
            return read_after(
                session, after, _PAGE, job_id=topic.job_id, run_id=topic.run_id, types=topic.types, until=until
            )

    def _look(self) -> bool:
        """Is more settled than before?"""
        with self._database.read() as session:
            if self._horizon is None:
                self._horizon = self._anchor(session)
                return self._horizon is not None
            before = self._horizon.settled
            oldest = 0 if self._database.sqlite else _oldest(session)
            numbers = session.scalars(
                select(Event.seq).where(Event.seq > before).order_by(Event.seq).limit(_STRIDE)
            ).all()
            if self._database.sqlite:
                self._horizon.settled = numbers[-1] if numbers else before
            elif self._horizon.advance(numbers, oldest, time.monotonic()):
                self._horizon.watch(_new_transaction(session), time.monotonic())
            return self._horizon.settled > before

    def _anchor(self, session: Session) -> Horizon | None:
        """Begin at the newest number, once all transactions that may write below it are over."""
        newest = select(func.coalesce(func.max(Event.seq), 0))
        if self._database.sqlite:
            return Horizon(session.scalar(newest) or 0)
        if self._start is None:
            self._start = session.scalar(newest) or 0, _new_transaction(session)
        number, younger = self._start
        return Horizon(number) if _oldest(session) >= younger else None


def _oldest(session: Session) -> int:
    """The oldest transaction that runs and may write events; all such before it are over."""
    return int(session.scalar(_OLDEST) or 0)


def _new_transaction(session: Session) -> int:
    """The id of this transaction: higher than that of every transaction that has one already."""
    return int(session.scalar(text("select pg_current_xact_id()::text::bigint")) or 0)
