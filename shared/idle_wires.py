"""Connections to engines that wait for their next request."""

from __future__ import annotations

import asyncio

from shared.engine_wire import EngineWire

Address = tuple[str, int]

_MOST_PER_ENGINE, _MOST = 64, 512
#: Seconds that nobody needs a connection before it is closed.
_LONGEST = 60.0


class IdleWires:
    """By address, those used last at the end: they go out first, so that few stay warm.

    Each run has a port of its own, so that most addresses are never asked again once it is gone.
    """

    def __init__(self) -> None:
        self._idle: dict[Address, list[tuple[float, EngineWire]]] = {}
        self._sweeper: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(map(len, self._idle.values()))

    def take(self, address: Address) -> EngineWire | None:
        """One that is still open; `None` when there is none."""
        while address in self._idle:
            wire = self._remove(address, -1)
            if wire.alive:
                return wire
        return None

    def give(self, address: Address, wire: EngineWire) -> None:
        """Keep it for the next request, or close it when it is of no more use."""
        if not wire.reusable or len(self._idle.get(address, ())) >= _MOST_PER_ENGINE:
            wire.close()
            return
        loop = asyncio.get_running_loop()
        self._idle.setdefault(address, []).append((loop.time(), wire))
        if len(self) > _MOST:
            self._remove(min(self._idle, key=lambda one: self._idle[one][0][0]), 0).close()
        if self._sweeper is None:
            self._sweeper = loop.call_later(_LONGEST, self._sweep, loop)

    def close(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None
        self._close_until(float("inf"))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        """Goes on as long as there is anything to look at."""
        self._close_until(loop.time() - _LONGEST)
        self._sweeper = loop.call_later(_LONGEST, self._sweep, loop) if self._idle else None

    def _close_until(self, moment: float) -> None:
        for address, kept in list(self._idle.items()):
            for since, wire in kept:
                if since <= moment:
                    wire.close()
            self._idle[address] = [(since, wire) for since, wire in kept if since > moment and wire.alive]
            if not self._idle[address]:
                del self._idle[address]

    def _remove(self, address: Address, place: int) -> EngineWire:
        _, wire = self._idle[address].pop(place)
        if not self._idle[address]:
            del self._idle[address]
        return wire
