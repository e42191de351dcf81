"""A streamed answer while it is waited for, while it comes, and when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from api.gateway import telling
from api.gateway.dialects.openai_chat import ChunkWriter
from api.gateway.telling import Telling
from api.sse import KEEP_ALIVE
from shared.errors import Unavailable

_GONE = Unavailable("It is gone", "it went away", "ask again")


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(telling, "_QUIET", 0.01)
    monkeypatch.setattr(telling, "_SIGN", 0.01)


def told(source: AsyncGenerator[bytes, None]) -> Telling:
    return Telling(source, ChunkWriter(usage=False))


def test_signs_of_life_are_given_again_and_again_until_there_is_something_to_say() -> None:
    async def scene() -> list[bytes]:
        ready = asyncio.Event()

        async def source() -> AsyncGenerator[bytes, None]:
            await ready.wait()
            yield b"a"
            yield b"b"

        said = told(source())
        await said.begin()
        signs = [await anext(said) for _ in range(3)]
        ready.set()
        return signs + [piece async for piece in said if piece != KEEP_ALIVE]

    assert asyncio.run(scene()) == [KEEP_ALIVE] * 3 + [b"a", b"b"]


def test_what_fails_at_once_fails_before_anything_is_sent() -> None:
    async def source() -> AsyncGenerator[bytes, None]:
        raise _GONE
        yield b""

    with pytest.raises(Unavailable):
        asyncio.run(told(source()).begin())


def test_what_fails_later_is_told_as_the_last() -> None:
    async def source() -> AsyncGenerator[bytes, None]:
        yield b"a"
        raise _GONE

    async def scene() -> list[bytes]:
        said = told(source())
        await said.begin()
        return [piece async for piece in said]

    first, last = asyncio.run(scene())
    assert first == b"a"
    assert b"it went away" in last


def test_who_leaves_while_nothing_is_said_ends_the_source() -> None:
    async def scene() -> bool:
        ended = False

        async def source() -> AsyncGenerator[bytes, None]:
            nonlocal ended
            try:
                await asyncio.Event().wait()
                yield b""
            finally:
                ended = True

        said = told(source())
        await said.begin()
        assert await anext(said) == KEEP_ALIVE
        async with asyncio.timeout(20):
            await said.aclose()
        return ended

    assert asyncio.run(scene())
