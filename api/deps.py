"""What handlers are given: the front door's parts, and who asks.

Handlers open their one transaction themselves, in the thread they run in: a dependency would cost two more hops between
threads, and a commit that comes after the answer is a lie.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Annotated, Protocol

from fastapi import Depends, Query, Request
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.auth import Auth
from api.events import Feed
from api.meter import Meter
from api.metrics import Metrics
from api.pulse import Pulse
from shared import audit, protocol
from shared.db import Database
from shared.errors import CidermillError, ProtocolMismatch
from shared.files import FileStore
from shared.keys import Caller, Rank
from shared.settings import Settings

_READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Alarm(Protocol):
    """Wakes the scheduler; returns at once and never fails."""

    def ring(self) -> None: ...

    def close(self) -> None: ...


class NoAlarm:
    """Without Redis the scheduler's next tick finds the work."""

    def ring(self) -> None:
        """Nobody can be woken."""

    def close(self) -> None:
        """Nothing is open."""


@dataclass
class FrontDoor:
    """The parts of this process."""

    settings: Settings
    database: Database
    store: FileStore
    alarm: Alarm
    auth: Auth
    feed: Feed
    metrics: Metrics
    pulse: Pulse
    meter: Meter

    @contextmanager
    def write(self, *, wake: bool = False) -> Iterator[Session]:
        """One transaction; followers, and with `wake` the scheduler, hear of it only after the commit."""
        with self.database.write() as session:
            yield session
        self.feed.poke()
        if wake:
            self.alarm.ring()

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A consistent look."""
        with self.database.read() as session:
            yield session


def front_door(request: Request) -> FrontDoor:
    door: FrontDoor = request.app.state.door
    return door


async def _door(request: Request) -> FrontDoor:
    return front_door(request)


async def _reader(request: Request) -> Caller:
    return await front_door(request).auth.caller(request, Rank.read)


async def _submitter(request: Request) -> Caller:
    request.state.caller = caller = await front_door(request).auth.caller(request, Rank.submit)
    return caller


async def _admin(request: Request) -> AsyncIterator[Caller]:
    """Who has an admin's rights; what it changes, or tries to, is in the log before it is answered."""
    async with _logged(request, await front_door(request).auth.caller(request, Rank.admin)) as who:
        yield who


async def _changer(request: Request) -> AsyncIterator[Caller]:
    """Who may change what it made; an admin may what others made, so what admins change is in the log."""
    caller = await _submitter(request)
    if caller.rank != Rank.admin:
        yield caller
        return
    async with _logged(request, caller) as who:
        yield who


async def _joiner(request: Request) -> AsyncIterator[Caller]:
    """Who may let hosts join: admins, and keys made for that alone; in the log like what admins do."""
    auth = front_door(request).auth
    who = await auth.caller(request, Rank.worker)
    if who.rank != Rank.worker:
        who = await auth.caller(request, Rank.admin)
    async with _logged(request, who) as known:
        yield known


@asynccontextmanager
async def _logged(request: Request, who: Caller) -> AsyncIterator[Caller]:
    """Note what is done, and how it ended; not what the handler calls ordinary: what any key may do as well."""
    door = front_door(request)
    outcome = audit.DONE
    try:
        yield who
    except CidermillError as error:
        outcome = error.problem.code
        raise
    except Exception as error:  # whatever it was goes on; the log says that the deed did not end well
        outcome = type(error).__name__
        raise
    finally:
        if request.method not in _READING and not getattr(request.state, "ordinary", False):
            await run_in_threadpool(_record, door, request, who, outcome)


def _record(door: FrontDoor, request: Request, who: Caller, outcome: str) -> None:
    route = getattr(request.scope.get("route"), "path", request.url.path)
    address = request.client.host if request.client is not None else ""
    with door.write() as session:
        audit.record(session, who, address, f"{request.method} {route}", request.url.path, outcome)


async def _worker_host(request: Request) -> str:
    """The host a worker or agent speaks for. Raises ProtocolMismatch, Unauthorized."""
    version = request.headers.get(protocol.HEADER)
    if version != str(protocol.VERSION):
        raise ProtocolMismatch(
            f"Version {version or 'none'} of the worker protocol is not spoken here",
            f"this front door speaks version {protocol.VERSION}, named in the header {protocol.HEADER}",
            "bring Cidermill on the host to the front door's version",
            speaks=protocol.VERSION,
        )
    return await front_door(request).auth.host(request)


Door = Annotated[FrontDoor, Depends(_door)]
Reader = Annotated[Caller, Depends(_reader)]
Submitter = Annotated[Caller, Depends(_submitter)]
Changer = Annotated[Caller, Depends(_changer, scope="function")]


async def _asker(request: Request, caller: Changer) -> Caller:
    """Who submits jobs, as any key may: an admin's are in the log where the handler finds one not ordinary."""
    request.state.ordinary = True
    return caller


Asker = Annotated[Caller, Depends(_asker, scope="function")]
Admin = Annotated[Caller, Depends(_admin, scope="function")]
Joiner = Annotated[Caller, Depends(_joiner, scope="function")]
WorkerHost = Annotated[str, Depends(_worker_host)]
Limit = Annotated[int, Query(ge=1, le=1000, description="Rows of a page.")]
After = Annotated[str | None, Query(max_length=64, description="The last id of the page before.")]
#: Events are numbered by a 64-bit counter.
EventNumber = Annotated[int | None, Query(ge=0, lt=2**63, description="Only events later than this one.")]
