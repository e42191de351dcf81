"""Wakes whoever waits for news, from any thread; nobody sleeps on when there is some."""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Bell:
    """Rings for all who wait at that moment."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ring(self) -> None:
        """There is news; costs nothing while nobody has ever waited."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(self._announce)

    async def wait(self, seconds: float | None) -> bool:
        """Until it rings, or for so many seconds; whether it rang."""
        self._loop = asyncio.get_running_loop()
        try:
            # Not `wait_for`: before Python 3.12 that may swallow the cancelling of a client that leaves.
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        except TimeoutError:
            return False
        return True

    def _announce(self) -> None:
        rung, self._rung = self._rung, asyncio.Event()
        rung.set()


class KeptBell(Bell):
    """Rings for one, who hears it later when it does not wait just then."""

    async def wait(self, seconds: float | None) -> bool:
        try:
            return await super().wait(seconds)
        finally:
            self._rung.clear()

    def _announce(self) -> None:
        self._rung.set()
