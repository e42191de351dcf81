"""Which runs the gateway uses, and how much.

A gateway request is no job, so no attempt keeps its run from being evicted. Instead the run's `last_used_at` is moved
a few seconds into the future, and renewed each second while requests are in flight and a moment longer: a run that is
used until later than now is not idle. Then it is set to now, and the run's keep-alive begins. `attended` tells the
run's host how many slots to leave to people who wait.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace

import structlog
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from api.gateway.routing import Load
from shared.db import Database
from shared.runs import service

_log = structlog.get_logger(__name__)

#: Seconds after its last request for which a run stays held: the next one often follows, and costs no write then.
_LINGER = 2.0
#: Seconds for which the pace of a run that is not used is remembered.
_MEMORY = 600.0
#: How much one request more counts in the mean of their seconds.
_WEIGHT = 0.1

_NONE = Load()


class Tenancy:
    """Counts requests by run, and holds the runs that have some."""

    def __init__(self, database: Database) -> None:
        self._database = database
        #: Of the runs that were used lately.
        self.loads: dict[str, Load] = {}
        #: Told of runs that are over while requests are in flight there.
        self.on_over: Callable[[Collection[str]], None] = lambda _: None
        self._held: set[str] = set()
        self._left: dict[str, float] = {}
        #: Slots by run as they are in the database.
        self._attended: dict[str, int] = {}

    async def hold(self, run_id: str, keep_alive: float | None = None) -> bool:
        """Is it still ready? Then it stays, for some seconds at least; with `keep_alive`, longer after that.

        That is written each time: what the run had a moment ago, others may have changed.
        """
        if run_id in self._held and keep_alive is None:
            return True
        if not await run_in_threadpool(self._hold, run_id, keep_alive):
            self._held.discard(run_id)
            return False
        self._held.add(run_id)
        self._left.setdefault(run_id, time.monotonic())
        return True

    @contextmanager
    def taken(self, run_id: str) -> Iterator[None]:
        """One more request is in flight on this run."""
        began = time.monotonic()
        load = self.loads.get(run_id, _NONE)
        self.loads[run_id] = replace(load, requests=load.requests + 1)
        try:
            yield
        finally:
            moment = time.monotonic()
            self._left[run_id] = moment
            load = self.loads[run_id]
            self.loads[run_id] = Load(load.requests - 1, _mean(load.seconds, moment - began))

    async def run(self) -> None:
        """Each second: hold the runs that are in use, let go of those that no longer are."""
        while True:
            await asyncio.sleep(service.RENEW)
            moment = time.monotonic()
            used = {run_id for run_id, load in self.loads.items() if load.requests}
            used |= {run_id for run_id, left in self._left.items() if left > moment - _LINGER}
            done, slots = self._held - used, self._slots(moment)
            if not used and not done and not slots:
                continue
            # Requests that come in the meantime to a run that is let go hold it again.
            self._held -= done
            try:
                ready, over = await run_in_threadpool(self._renew, used, done, slots)
            except SQLAlchemyError as error:
                _log.warning("runs in use cannot be held", reason=str(error).splitlines()[0])
                continue
            self._held -= used - ready
            self.on_over({run_id for run_id in over if self._busy(run_id)})
            self._attended = {run_id: count for run_id, count in (self._attended | slots).items() if count}
            self._forget(moment)

    def _slots(self, moment: float) -> dict[str, int]:
        """Slots to leave to people, where that has changed: those they have and one for the next."""
        wanted = {run_id: 1 for run_id, left in self._left.items() if left > moment - service.ATTENTIVE}
        wanted |= {run_id: load.requests + 1 for run_id, load in self.loads.items() if load.requests}
        gone = dict.fromkeys(set(self._attended) - set(wanted), 0)
        return {run_id: count for run_id, count in (wanted | gone).items() if count != self._attended.get(run_id, 0)}

    def _hold(self, run_id: str, keep_alive: float | None) -> bool:
        with self._database.write() as session:
            return bool(service.hold(session, [run_id], keep_alive))

    def _renew(self, used: set[str], done: set[str], slots: dict[str, int]) -> tuple[set[str], set[str]]:
        """The runs that are held, and those that are over."""
        with self._database.write() as session:
            service.let_go(session, done)
            service.attend(session, slots)
            # A request may have come just before to a run that is let go.
            ready = set(service.hold(session, used | {run_id for run_id in done if self._busy(run_id)}))
            return ready, service.over(session, used - ready)

    def _forget(self, moment: float) -> None:
        """What was used long ago and is not used now."""
        old = [run_id for run_id, left in self._left.items() if left < moment - _MEMORY and not self._busy(run_id)]
        for run_id in old:
            del self._left[run_id]
            self.loads.pop(run_id, None)

    def _busy(self, run_id: str) -> bool:
        return bool(self.loads.get(run_id, _NONE).requests)


def _mean(before: float | None, seconds: float) -> float:
    return seconds if before is None else before + _WEIGHT * (seconds - before)
