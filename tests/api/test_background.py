"""What the front door does beside its answers."""

from __future__ import annotations

import asyncio

import pytest

from api import background


def test_work_that_fails_begins_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_PAUSE", 0.0)
    begun, again = 0, asyncio.Event()

    async def odd() -> None:
        nonlocal begun
        begun += 1
        if begun == 1:
            raise ValueError("nobody thought of this")
        again.set()
        await asyncio.Event().wait()

    async def served() -> None:
        async with background.beside({"odd": odd}):
            await asyncio.wait_for(again.wait(), 30)

    asyncio.run(served())
    assert begun == 2


def test_one_that_fails_while_it_ends_does_not_keep_the_others_from_ending() -> None:
    ready, ended = asyncio.Event(), asyncio.Event()

    async def stubborn() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("not even now")

    async def orderly() -> None:
        ready.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def served() -> None:
        async with background.beside({"stubborn": stubborn, "orderly": orderly}):
            await asyncio.wait_for(ready.wait(), 30)

    asyncio.run(served())
    assert ended.is_set()
