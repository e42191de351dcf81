"""What is done once a job is over, whether the client that wanted it still waits or not."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.concurrency import run_in_threadpool

from api.deps import FrontDoor
from api.errors import unanswered
from api.gateway.ollama.watching import GLANCE, PATIENCE, Watch
from shared.errors import CidermillError, Problem, Unavailable

_log = structlog.get_logger(__name__)

#: What a database raises that may be back in a moment.
_AWAY = (OperationalError, InterfaceError, PoolTimeout)

#: Seconds until what the database did not take is tried again.
_AGAIN = 2.0

#: Told whether the job succeeded; may be called again when the database was away.
Settle = Callable[[bool], None]


@dataclass(frozen=True, slots=True)
class _FollowUp:
    job_id: str
    settle: Settle
    #: What went wrong.
    done: asyncio.Future[Problem | None]


class FollowUps:
    """All that are to come; those that are when the front door ends are forgotten."""

    def __init__(self, door: FrontDoor) -> None:
        self._door = door
        self._new: asyncio.Queue[_FollowUp] = asyncio.Queue()

    def add(self, job_id: str, settle: Settle) -> Awaitable[Problem | None]:
        """Call `settle` in a thread when the job is over; what is returned brings what went wrong, and may be left."""
        done: asyncio.Future[Problem | None] = asyncio.get_running_loop().create_future()
        self._new.put_nowait(_FollowUp(job_id, settle, done))
        return asyncio.shield(done)

    async def run(self) -> None:
        """Works in the background while the front door serves."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                tasks.create_task(self._follow(await self._new.get()))

    async def _follow(self, one: _FollowUp) -> None:
        try:
            problem = await self._followed(one)
            if not one.done.done():
                one.done.set_result(problem)
        finally:
            one.done.cancel()

    async def _followed(self, one: _FollowUp) -> Problem | None:
        watch = Watch(self._door, one.job_id, patience=math.inf)
        try:
            while not (seen := await run_in_threadpool(watch.look)).final:
                await asyncio.sleep(GLANCE)
            await self._settle(one, not seen.failed)
        except CidermillError as error:
            return error.problem
        except OSError as error:
            return _undone(error.strerror or str(error), "mend the front door's disk, and ask again")
        except Exception as error:
            # A mistake of ours in one must not end all others, nor cut those who wait.
            _log.exception("what follows on a job failed", job=one.job_id)
            return _undone(f"{type(error).__name__}; the log has the details", "ask again; if it stays, report it")
        return None

    async def _settle(self, one: _FollowUp, succeeded: bool) -> None:
        """Until the database takes it; who waits is told when that lasts."""
        begun = time.monotonic()
        while True:
            try:
                return await run_in_threadpool(one.settle, succeeded)
            except _AWAY as error:
                problem = unanswered(error).problem
            if time.monotonic() - begun >= PATIENCE and not one.done.done():
                one.done.set_result(problem)
            await asyncio.sleep(_AGAIN)


def _undone(why: str, fix: str) -> Problem:
    return Unavailable("What follows on the job was not done", why, fix).problem
