"""Wakes whoever waits for news of runs, so that none of them sleeps on when there is some."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Rings for all who wait at that moment; from any thread."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """There is news; costs nothing while nobody has ever waited."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._announce)

    async def wait(self, seconds: float) -> None:
        """Until it rings, or for so many seconds."""
        self._loop = asyncio.get_running_loop()
        with suppress(TimeoutError):
            # Not `wait_for`: before Python 3.12 that may swallow the cancelling of a client that leaves.
            async with asyncio.timeout(seconds):
                await self._rung.wait()

    def _announce(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()
