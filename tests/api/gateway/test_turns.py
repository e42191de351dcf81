"""Work that keeps a processor busy is done a little at a time."""

from __future__ import annotations

import asyncio
from functools import partial
from threading import Event

from api.gateway.turns import Turns


def test_whoever_waits_too_long_for_a_turn_goes_without() -> None:
    async def both() -> tuple[int | None, bool | None, int | None]:
        turns, done = Turns(1, 0.0), Event()
        first = asyncio.create_task(turns.run(lambda: done.wait(30)))
        await asyncio.sleep(0)
        second = await turns.run(lambda: 2)
        done.set()
        return second, await first, await turns.run(lambda: 3)

    assert asyncio.run(both()) == (None, True, 3)


def test_a_turn_comes_when_the_one_before_is_over() -> None:
    async def both() -> list[int | None]:
        turns = Turns(1, 30.0)
        return await asyncio.gather(*(turns.run(partial(int, number)) for number in range(5)))

    assert asyncio.run(both()) == [0, 1, 2, 3, 4]


def test_work_that_fails_gives_its_turn_back() -> None:
    async def both() -> tuple[bool, int | None]:
        turns = Turns(1, 0.0)
        [failed] = await asyncio.gather(turns.run(lambda: 1 // 0), return_exceptions=True)
        return isinstance(failed, ZeroDivisionError), await turns.run(lambda: 3)

    assert asyncio.run(both()) == (True, 3)
