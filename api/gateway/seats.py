"""A place at a run: at one that is ready, or at one that is started for the asker."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from starlette.concurrency import run_in_threadpool

from api.bell import Bell
from api.deps import FrontDoor
from api.energy import Stay
from api.gateway import arrival, room
from api.gateway.affinity import Affinity, session_of
from api.gateway.exchange import Exchange
from api.gateway.outlook import Outlook, View, Wanted
from api.gateway.refusal import stopped
from api.gateway.routing import Candidate, Reach, choose
from api.gateway.tenancy import Tenancy
from shared import engine_pass
from shared.errors import Unavailable
from shared.requests import CHAT
from shared.sight import check_sight

_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
#: Seconds to wait for a run at most; what clients wait for an answer by default.
_PATIENCE = 600.0
#: Seconds after the lease of a host that is gone in which its runs are ended and another is begun.
_MOURNING = 2.0


@dataclass(frozen=True)
class Seat:
    """A ready run, and how to ask it."""

    run_id: str
    generation: int
    host: str
    #: The catalog's name of the model, and the engine's.
    model: str
    served_name: str
    #: Tokens of a slot; 0: nobody knows.
    context: int
    reach: Reach
    #: What the client's name for the model leaves unsaid.
    defaults: Mapping[str, Any]

    def headers(self) -> dict[str, str]:
        """What its agent wants to see; nothing for an engine of this machine."""
        return pass_of(self.reach, self.run_id, self.generation)


def pass_of(reach: Reach, run_id: str, generation: int) -> dict[str, str]:
    """Headers that let a request in at the agent of the run's host; none for an engine of this machine."""
    if reach.key is None:
        return {}
    return {"Authorization": f"Bearer {engine_pass.sign(reach.key, run_id, generation, time.time())}"}


@dataclass(frozen=True)
class Waiting:
    """A run that is not ready yet, and why as far as is known."""

    run_id: str
    why: str


class Seats:
    """Finds runs for requests."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._news = Bell()
        self._outlook = Outlook(door.database, door.settings, self._news)
        self._tenancy = Tenancy(door.database)
        self._affinity = Affinity()
        self._stopped = False

    async def find(self, exchange: Exchange, avoid: Collection[str] = ()) -> AsyncGenerator[Seat | Waiting, None]:
        """Yields what it waits for, again and again, then the seat as its last; never one at a run of `avoid`.

        Raises NotFound, InvalidParameters, CannotFit, Busy, Unavailable, and what a run that failed to load said.
        """
        wanted = Wanted(exchange.model, exchange.capability)
        pause, began, last, learned = _FIRST_PAUSE, time.monotonic(), None, 0.0
        known = self._outlook.glance(wanted)
        view = _suited(known, exchange) if known is not None else None
        while True:
            self.check_stopped()
            if view is not None and (seat := await self._sit(view, exchange, avoid)):
                yield seat
                return
            view = _suited(await self._outlook.look(wanted, learned), exchange)
            if any(run.ready and run.id not in avoid for run in view.runs):
                if seat := await self._sit(view, exchange, avoid):
                    yield seat
                    return
                arrival.check_open(exchange.model, view.runs, self._tenancy.loads, avoid)
            waiting = await self._coming(view, exchange, avoid, last, time.monotonic() - began)
            if waiting.run_id != last:
                last, learned = waiting.run_id, time.monotonic()
            yield waiting
            await self._news.wait(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)
            view = None

    def stop(self) -> None:
        """Nobody finds a run any more."""
        self._stopped = True
        self.ring()

    def check_stopped(self) -> None:
        """Raises Unavailable once nobody finds a run any more."""
        if self._stopped:
            raise stopped()

    def ring(self) -> None:
        """A run has changed: who waits looks at once; from any thread."""
        self._news.ring()

    def on_over(self, hear: Callable[[Collection[str]], None]) -> None:
        """`hear` is told of the runs that are over while requests are in flight there, each second again."""
        self._tenancy.on_over = hear

    async def view(self, wanted: Wanted) -> View:
        """What could answer now; starts and holds nothing. Raises NotFound, InvalidParameters."""
        return self._outlook.glance(wanted) or await self._outlook.look(wanted)

    @contextmanager
    def taken(self, seat: Seat) -> Iterator[Stay]:
        """One more request is in flight on this run."""
        gauge = self._door.metrics.gateway.labels(seat.model)
        gauge.inc()
        try:
            with self._tenancy.taken(seat.run_id), self._door.meter.energy.staying(seat.host) as stay:
                yield stay
        finally:
            gauge.dec()

    async def run(self) -> None:
        """Keep what is known fresh and what is in use held."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._outlook.run())
            tasks.create_task(self._tenancy.run())

    async def _sit(self, view: View, exchange: Exchange, avoid: Collection[str]) -> Seat | None:
        """A seat at the best ready run, if that is still ready once it is held."""
        chats = len(view.runs) > 1 and exchange.upload is None
        session = session_of(exchange.model, exchange.body) if chats else None
        warm = self._affinity.warm(session)
        run = choose(_promising(view, exchange), self._tenancy.loads, avoid, warm)
        if run is None:
            run = choose(view.runs, self._tenancy.loads, avoid, warm)
        if run is None or run.endpoint is None or run.reach is None:
            return None
        if not await self._tenancy.hold(run.id, exchange.keep_alive):
            return None
        self._affinity.went(session, run.id)
        return Seat(
            run.id, run.generation, run.host or "", run.model, run.endpoint.served_name, run.context, run.reach,
            view.found.defaults,
        )  # fmt: skip

    async def _coming(
        self, view: View, exchange: Exchange, avoid: Collection[str], last: str | None, waited: float
    ) -> Waiting:
        """The run that will be there: one that is loaded already, else one that is started now."""
        coming = [run for run in view.runs if run.id not in avoid and not run.ready]
        if last is not None and last not in avoid and last not in {run.id for run in view.runs}:
            raise await run_in_threadpool(arrival.why_not, self._door, last)
        if coming:
            return _patient(exchange, coming[0], waited)
        if mourned := next((run for run in view.runs if run.id in avoid), None):
            # Until the lease of its host is over, nobody knows that it is gone.
            if waited > self._door.settings.lease_seconds + _MOURNING:
                raise Unavailable(
                    f"The run of {exchange.model} cannot be reached", f"it is on {mourned.host}", "ask again"
                )
            return Waiting(mourned.id, "it went away")
        run_id = await run_in_threadpool(arrival.start, self._door, view.found, exchange)
        return Waiting(run_id, "it is being started")


def _suited(view: View, exchange: Exchange) -> View:
    """Without runs that have no room for a request that was too long for another one.

    Raises InvalidParameters when no run can do it.
    """
    if exchange.path == CHAT:
        check_sight(exchange.model, view.found.model, exchange.body.get("messages"))
    if not exchange.tokens:
        return view
    return replace(view, runs=room.roomy(view.runs, exchange.tokens))


def _promising(view: View, exchange: Exchange) -> tuple[Candidate, ...]:
    """The runs that likely have room for the request; all of them where they are alike."""
    if exchange.upload is not None or not room.differ(view.runs):
        return view.runs
    return room.roomy(view.runs, room.guess(exchange.body))


def _patient(exchange: Exchange, run: Candidate, waited: float) -> Waiting:
    """Raises Unavailable with the time to come back when the wait for this run is too long."""
    arrival.check_patience(exchange.model, run, waited)
    why = run.why or (f"the model is being loaded on {run.host}" if run.host else "it waits for the scheduler")
    if waited > _PATIENCE:
        raise Unavailable(f"No run of {exchange.model} became ready in time", why, "try again later")
    return Waiting(run.id, why)
