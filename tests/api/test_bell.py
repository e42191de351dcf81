"""Who waits for news, and who brings it from another thread."""

from __future__ import annotations

import asyncio

import pytest

from api.bell import Bell, KeptBell


@pytest.mark.parametrize(("bell", "kept"), [(Bell(), False), (KeptBell(), True)])
def test_only_one_kind_is_heard_by_who_comes_later(bell: Bell, kept: bool) -> None:
    async def later() -> list[bool]:
        await bell.wait(0)
        await asyncio.to_thread(bell.ring)
        await asyncio.sleep(0)
        return [await bell.wait(0.01) for _ in range(2)]

    assert asyncio.run(later()) == [kept, False]


def test_all_who_wait_hear_it() -> None:
    async def waiting() -> list[bool]:
        bell = Bell()
        both = [asyncio.create_task(bell.wait(30)) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.to_thread(bell.ring)
        return await asyncio.gather(*both)

    assert asyncio.run(waiting()) == [True, True]


@pytest.mark.parametrize("bell", [Bell(), KeptBell()])
def test_nobody_is_there_before_the_loop_and_after_it(bell: Bell) -> None:
    bell.ring()
    assert not asyncio.run(bell.wait(0))
    bell.ring()
