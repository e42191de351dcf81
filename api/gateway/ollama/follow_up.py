"""What is done once a job is over, whether the client that wanted it still waits or not."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.concurrency import run_in_threadpool

from api.deps import FrontDoor
from api.errors import NO_DATABASE, unanswered
from api.gateway.ollama.watching import GLANCE, Watch
from shared.errors import CidermillError, Problem, Unavailable

#: Told whether the job succeeded.
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
            one.done.set_result(await self._settled(one))
        finally:
            one.done.cancel()

    async def _settled(self, one: _FollowUp) -> Problem | None:
        watch = Watch(self._door, one.job_id, patience=math.inf)
        try:
            while not (seen := await run_in_threadpool(watch.look)).final:
                await asyncio.sleep(GLANCE)
            await run_in_threadpool(one.settle, not seen.failed)
        except CidermillError as error:
            return error.problem
        except NO_DATABASE as error:
            return unanswered(error).problem
        except OSError as error:
            why = error.strerror or str(error)
            return Unavailable(
                "What follows on the job was not done", why, "mend the front door's disk, and ask again"
            ).problem
        return None
