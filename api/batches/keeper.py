"""Takes every batch its next step: begin it, end its jobs when it is cancelled or its time is over, write its answers.

Files are read and written beside each other, so that a large one holds up no other key's small ones. Each step starts
from the rows, so a front door that was away goes on where it stopped, and several do no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from api.batches import jobs, rows
from api.batches.begin import begin
from api.batches.collect import collect
from api.batches.contract import BatchState
from api.batches.turns import Turns
from api.bell import KeptBell
from api.deps import FrontDoor
from shared.db import clock_time
from shared.errors import NoCapacity
from shared.tables import Batch

_log = structlog.get_logger(__name__)

#: Seconds between two looks; a request that changes a batch rings instead of waiting for the next.
_EVERY = 1.0


class Keeper:
    """Works in the background while the front door serves."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._bell = KeptBell()

    def ring(self) -> None:
        """Look at once; from any thread."""
        self._bell.ring()

    async def run(self) -> None:
        """Look until cancelled."""
        async with asyncio.TaskGroup() as group:
            beginning, writing = Turns(group, partial(self._take, begin)), Turns(group, partial(self._take, collect))
            while True:
                beginning.clear()
                writing.clear()
                ready = await run_in_threadpool(self.turn)
                beginning.give(row for row in ready if row.state == BatchState.VALIDATING)
                writing.give(row for row in ready if row.state != BatchState.VALIDATING)
                await self._bell.wait(_EVERY)

    def turn(self) -> list[Batch]:
        """End the jobs of batches that are to end; those that are to be begun, or whose answers are to be written."""
        try:
            with self._door.read() as session:
                live, working, moment = rows.live(session), jobs.working(session), clock_time(session)
        except (DBAPIError, PoolTimeout) as error:
            _log.warning("batches wait for the database", reason=str(error).splitlines()[0])
            return []
        ready = []
        for row in live:
            with _alone(row):
                if self._advance(row, row.id in working, row.expires_at <= moment):
                    ready.append(row)
        return ready

    async def _take(self, step: Callable[[FrontDoor, Batch], None], row: Batch) -> None:
        with _alone(row):
            await run_in_threadpool(step, self._door, row)
            self._bell.ring()

    def _advance(self, row: Batch, working: bool, overdue: bool) -> bool:
        """End what is to end; may its next long step be taken?

        What was finalized just now is read anew by the next look, which is not far when nothing is left to end.
        """
        if row.state == BatchState.VALIDATING:
            return True
        if row.state == BatchState.IN_PROGRESS:
            if working and not overdue:
                return False
            with self._door.write() as session:
                rows.finalize(session, row)
        if working:
            with self._door.write(wake=True) as session:
                jobs.stop(session, jobs.unfinished(session, row))
        return not working


@contextmanager
def _alone(row: Batch) -> Iterator[None]:
    """Whatever is wrong with one batch holds up no other; what the database or the disk did not allow waits."""
    try:
        yield
    except (DBAPIError, PoolTimeout, NoCapacity) as error:
        _log.warning("a batch waits", batch=row.id, reason=str(error).splitlines()[0])
    except Exception:
        _log.exception("a batch could not be taken further", batch=row.id)
