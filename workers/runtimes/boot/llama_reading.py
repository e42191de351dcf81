"""Whose prompt llama.cpp reads next."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import Enum, auto

#: Seconds that the chunk of a job waits for people at most, and how many times as long as its last one took.
_POLITE, _TIMES = 2.0, 10


class _Now(Enum):
    """What goes on."""

    CHUNK = auto()
    PROMPT = auto()
    PERSONS_PROMPT = auto()
    ALONE = auto()
    #: Somebody waits to be alone.
    WISHED_ALONE = auto()


@dataclass(slots=True, eq=False)
class _Wish:
    """What somebody waits for: when it may be, and what goes on then."""

    may: Callable[[], bool]
    what: tuple[_Now, ...]
    turn: asyncio.Future[None]


class Reading:
    """One chunk at a time: of people's prompts each in turn, of jobs' while no person's is read, or after a time.

    For several answers to one request llama.cpp takes slots itself: it begins while nobody's prompt is read half.
    """

    def __init__(self) -> None:
        self._now: Counter[_Now] = Counter()
        self._line: list[_Wish] = []
        #: Seconds that the last chunk of a job took: of a picture many.
        self._took = 0.0

    def prompt(self, *, urgent: bool) -> AbstractAsyncContextManager[None]:
        """While a prompt is read in chunks."""
        what = (_Now.PROMPT, _Now.PERSONS_PROMPT) if urgent else (_Now.PROMPT,)
        return self._while(lambda: not self._now[_Now.ALONE] and not self._now[_Now.WISHED_ALONE], *what)

    @asynccontextmanager
    async def chunk(self, *, urgent: bool) -> AsyncIterator[None]:
        """While one of its chunks is read."""
        loop = asyncio.get_running_loop()
        patience = loop.time() + max(_POLITE, _TIMES * self._took)

        def may() -> bool:
            first = urgent or not self._now[_Now.PERSONS_PROMPT] or loop.time() >= patience
            return first and not self._now[_Now.CHUNK]

        later = loop.call_at(patience, self._call)
        try:
            async with self._while(may, _Now.CHUNK):
                began = loop.time()
                yield
                if not urgent:
                    self._took = loop.time() - began
        finally:
            later.cancel()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """While a request for several answers begins."""
        self._now[_Now.WISHED_ALONE] += 1
        try:
            async with self._while(lambda: not self._now[_Now.ALONE] and not self._now[_Now.PROMPT], _Now.ALONE):
                yield
        finally:
            self._now[_Now.WISHED_ALONE] -= 1
            self._call()

    @asynccontextmanager
    async def _while(self, may: Callable[[], bool], *what: _Now) -> AsyncIterator[None]:
        wish = _Wish(may, what, asyncio.get_running_loop().create_future())
        self._line.append(wish)
        self._call()
        try:
            await wish.turn
            yield
        finally:
            if wish.turn.done() and not wish.turn.cancelled():
                self._now.subtract(what)
            self._call()

    def _call(self) -> None:
        """Let happen what may, in the order of the line."""
        for wish in list(self._line):
            if wish.turn.done():
                self._line.remove(wish)
            elif wish.may():
                self._line.remove(wish)
                self._now.update(wish.what)
                wish.turn.set_result(None)
