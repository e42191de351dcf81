"""A place at a run: one that is ready, or one that is started for the asker.

A gateway request is no job, so no attempt keeps its run from being evicted. Instead the run's `last_used_at` is moved
a few seconds into the future, and renewed each second while requests are in flight: a run that is used until later
than now is not idle. When the last request ends it is set to now, and the run's keep-alive begins.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import structlog
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session
from starlette.concurrency import run_in_threadpool

from api.deps import FrontDoor
from api.gate import host_of
from api.gateway import defaults, model_names
from api.gateway.exchange import Exchange
from api.gateway.model_names import Found
from shared.errors import CidermillError, Problem, Unavailable, revive
from shared.runs import queries, service
from shared.runs.service import RunWish
from shared.runtimes import Endpoint
from shared.settings import LOOPBACK
from shared.tables import Host, Run
from shared.vocabulary import Priority, RunState

_log = structlog.get_logger(__name__)

_RENEW = 1.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
#: Seconds to wait for a run at most; what clients wait for an answer by default.
_PATIENCE = 600.0


@dataclass(frozen=True)
class Seat:
    """A ready run and where it answers."""

    run_id: str
    model: str
    endpoint: Endpoint
    #: What the name that was asked for says where the request says nothing.
    defaults: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Waiting:
    """A run that is not ready yet, and why as far as is known."""

    run_id: str
    why: str


class Seats:
    """Finds runs for requests, and counts the requests on each."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._in_flight: Counter[str] = Counter()

    async def find(self, exchange: Exchange) -> AsyncIterator[Seat | Waiting]:
        """Yields what it waits for, again and again, then the seat as its last.

        Raises NotFound, InvalidParameters, CannotFit, Unavailable, and what a run that failed to load said.
        """
        pause, deadline, last = _FIRST_PAUSE, time.monotonic() + _PATIENCE, None
        while True:
            found = await run_in_threadpool(self._look, exchange, last)
            yield found
            if isinstance(found, Seat):
                return
            if time.monotonic() > deadline:
                raise Unavailable(f"No run of {exchange.model} became ready in time", found.why, "try again later")
            last = found.run_id
            await asyncio.sleep(pause)
            pause = min(_LONGEST_PAUSE, pause * 1.5)

    @contextmanager
    def taken(self, seat: Seat) -> Iterator[None]:
        """One more request is in flight on this run."""
        self._in_flight[seat.run_id] += 1
        gauge = self._door.metrics.gateway.labels(seat.model)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()
            self._in_flight[seat.run_id] -= 1
            if not self._in_flight[seat.run_id]:
                del self._in_flight[seat.run_id]

    async def run(self) -> None:
        """Each second: hold the runs that are in use, let go of those that no longer are."""
        held: set[str] = set()
        while True:
            await asyncio.sleep(_RENEW)
            used = set(self._in_flight)
            if used or held:
                try:
                    await run_in_threadpool(self._renew, used, held - used)
                except SQLAlchemyError as error:
                    _log.warning("runs in use cannot be held", reason=str(error).splitlines()[0])
                    continue
            held = used

    def _renew(self, used: set[str], done: set[str]) -> None:
        with self._door.database.write() as session:
            service.hold(session, used)
            service.let_go(session, done)

    def _look(self, exchange: Exchange, last: str | None) -> Seat | Waiting:
        with self._door.database.read() as session:
            found = model_names.find(session, exchange.model, self._door.settings.default_model)
            runs = queries.serving(session, found.model.id, exchange.capability, self._door.settings.host_name)
            ready = [run for run in runs if run.state == RunState.READY and run.endpoint is not None]
            if not ready and last is not None and last not in {run.id for run in runs}:
                raise _why_not(session.get(Run, last))
            used = queries.slots_used(session, [run.id for run in ready])
        if ready:
            best = max(ready, key=lambda run: run.slots - used.get(run.id, 0) - self._in_flight[run.id])
            if seat := self._sit(best, found, exchange.keep_alive):
                return seat
        if runs:
            return Waiting(runs[0].id, _waits_for(runs[0]))
        return self._start(found, exchange)

    def _sit(self, run: Run, found: Found, keep_alive: float | None) -> Seat | None:
        """The seat, if the run is still ready once it is held."""
        endpoint = Endpoint.model_validate(run.endpoint)
        if host_of(endpoint.url) not in LOOPBACK:
            raise Unavailable(
                f"The run of {run.model} is out of reach",
                f"it answers at {endpoint.url}, which is not on this machine",
                "submit a job instead: jobs run on every host",
            )
        if run.id not in self._in_flight or keep_alive not in (None, run.keep_alive):
            with self._door.database.write() as session:
                if not service.hold(session, [run.id], keep_alive):
                    return None
        return Seat(run.id, run.model, endpoint, found.defaults)

    def _start(self, found: Found, exchange: Exchange) -> Waiting:
        here = self._door.settings.host_name
        wish = RunWish(
            model=found.model.name,
            capability=exchange.capability,
            host=here,
            priority=Priority.INTERACTIVE,
            spec=defaults.loaded(exchange.spec, found.defaults),
        )
        with self._door.write(wake=True) as session:
            _check_here(session, here)
            started = queries.serving(session, found.model.id, exchange.capability, here)
            run_id = started[0].id if started else service.start(session, wish)
        return Waiting(run_id, "it is being started")


def _check_here(session: Session, here: str) -> None:
    # The lock lets two chats at once find one another's run instead of starting one each.
    if session.scalar(select(Host.name).where(Host.name == here).with_for_update()) is None:
        raise Unavailable(
            "No run can answer here",
            f"the front door's own machine ({here}) is not a host of the fleet, and engines answer on loopback only",
            "start an agent on it: cidermill agent; or submit a job instead",
        )


def _waits_for(run: Run) -> str:
    if run.state == RunState.STARTING:
        return f"the model is being loaded on {run.host}"
    return str((run.blocked_by or {}).get("sentence") or "it waits for the scheduler")


def _why_not(run: Run | None) -> CidermillError:
    """What ended the run we waited for, as an answer: later when it may work then, else never."""
    if run is None or not run.error:
        reason = (run.stop_reason if run is not None else None) or "it was stopped"
        return Unavailable("The run that was started for this is gone", reason, "try again")
    problem = Problem.model_validate(run.error)
    gone = Unavailable(problem.what, problem.why, problem.fix)
    gone.problem = revive(problem).problem
    return gone
