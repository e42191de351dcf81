"""Takes every batch its next step: begin it, end its jobs when it is cancelled or its time is over, write its answers.

Files are read and written beside each other, so that a large one holds up no other key's small ones. Each step starts
from the rows, so a front door that was away goes on where it stopped, and several do no harm.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from functools import partial

import structlog
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from api.batches import rows
from api.batches.begin import begin
from api.batches.collect import collect
from api.batches.contract import BatchState
from api.batches.turns import Turns
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
        self._bell = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """Look at once; from any thread."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._bell.set)

    async def run(self) -> None:
        """Look until cancelled."""
        self._loop = asyncio.get_running_loop()
        async with asyncio.TaskGroup() as group:
            beginning, writing = Turns(group, partial(self._take, begin)), Turns(group, partial(self._take, collect))
            while True:
                beginning.clear()
                writing.clear()
                ready = await run_in_threadpool(self.turn)
                beginning.give(row for row in ready if row.state == BatchState.VALIDATING)
                writing.give(row for row in ready if row.state != BatchState.VALIDATING)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_EVERY):
                        await self._bell.wait()
                self._bell.clear()

    def turn(self) -> list[Batch]:
        """End the jobs of batches that are to end; those that are to be begun, or whose answers are to be written."""
        try:
            with self._door.read() as session:
                live = rows.live(session)
            return [row for row in live if self._ready(row)]
        except (DBAPIError, PoolTimeout) as error:
            _log.warning("batches wait for the database", reason=str(error).splitlines()[0])
            return []

    def _ready(self, row: Batch) -> bool:
        try:
            return row.state == BatchState.VALIDATING or not self._working(row)
        except (DBAPIError, PoolTimeout):
            raise
        except Exception:
            # Whatever is wrong with one must not hold up the others.
            _log.exception("a batch could not be taken further", batch=row.id)
            return False

    async def _take(self, step: Callable[[FrontDoor, Batch], None], row: Batch) -> None:
        """What the database or the disk did not allow is tried again by a later look."""
        try:
            await run_in_threadpool(step, self._door, row)
        except (DBAPIError, PoolTimeout, NoCapacity) as error:
            _log.warning("a batch waits", batch=row.id, reason=str(error).splitlines()[0])
        except Exception:
            _log.exception("a batch could not be taken further", batch=row.id)
        else:
            self._bell.set()

    def _working(self, row: Batch) -> bool:
        """Are there jobs to wait for? Those of a batch that is cancelled or out of time are told to end."""
        with self._door.read() as session:
            left, overdue = rows.unfinished(session, row), clock_time(session) >= row.expires_at
        if row.state == BatchState.IN_PROGRESS and (overdue or not left):
            with self._door.write() as session:
                rows.finalize(session, row)
        elif row.state == BatchState.IN_PROGRESS:
            return True
        if left:
            with self._door.write(wake=True) as session:
                rows.stop(session, left)
        # What was finalized just now is read anew by the next look, which is not far when nothing is left to end.
        return bool(left)
