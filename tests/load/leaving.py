"""Clients that ask and go away again, whenever they like."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Sequence
from typing import Any

from api.gateway.engine_client import EngineClient

_CHAT = "/v1/chat/completions"
#: Whoever stays to the end leaves no connection either.
_HEADERS = {"Content-Type": "application/json", "Connection": "close"}
#: An answer that nobody would wait for.
_ENDLESS = {"tokens": 100_000, "itl_ms": 20}
#: Seconds after which the most patient have left.
LATEST = 0.15


async def leave_all(
    url: str, models: Sequence[str], times: int, at_once: int, seed: int = 7, latest: float = LATEST
) -> None:
    """So many clients leave: before they are heard, before the answer, at its beginning or in its middle."""
    dice, gate = random.Random(seed), asyncio.Semaphore(at_once)

    async def one(number: int, stays: float) -> None:
        async with gate:
            asking = asyncio.create_task(_ask(url, models[number % len(models)], str(number), stream=number % 3 > 0))
            await asyncio.wait({asking}, timeout=stays)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)

    await asyncio.gather(*(one(number, dice.random() * latest) for number in range(times)))


async def leave_streaming(url: str, model: str) -> None:
    """One client leaves as soon as it has heard something."""
    async with EngineClient().post(url + _CHAT, _body(model, "x", stream=True), _HEADERS) as reply:
        await anext(reply.pieces())


async def answered(url: str, model: str) -> None:
    """One client stays for a short answer. Raises AssertionError when it is refused."""
    short = {"model": model, "messages": [{"role": "user", "content": "still there"}]}
    async with EngineClient().post(url + _CHAT, json.dumps(short).encode(), _HEADERS) as reply:
        said = await reply.read()
        assert reply.status == 200, said[:300]


async def _ask(url: str, model: str, text: str, *, stream: bool) -> None:
    async with EngineClient().post(url + _CHAT, _body(model, text, stream=stream), _HEADERS) as reply:
        async for _ in reply.pieces():
            """It goes on until we leave."""


def _body(model: str, text: str, *, stream: bool) -> bytes:
    asked: dict[str, Any] = {"model": model, "messages": [{"role": "user", "content": text}], "stream": stream}
    return json.dumps(asked | {"echo": _ENDLESS}).encode()
