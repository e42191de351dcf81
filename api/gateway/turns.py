"""Turns at work that keeps a processor busy: few at a time, so that all else goes on beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from starlette.concurrency import run_in_threadpool

Made = TypeVar("Made")


class Turns:
    """So many at a time; whoever has waited for `patience` seconds goes without."""

    def __init__(self, count: int, patience: float) -> None:
        self._free, self._patience = asyncio.Semaphore(count), patience

    async def run(self, work: Callable[[], Made]) -> Made | None:
        """What the work makes, in a thread; `None` when its turn did not come."""
        try:
            async with asyncio.timeout(self._patience):
                await self._free.acquire()
        except TimeoutError:
            return None
        try:
            return await run_in_threadpool(work)
        finally:
            self._free.release()
