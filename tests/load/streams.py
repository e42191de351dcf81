"""Asking for streamed chats, many at once, and timing what comes."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from api.gateway.engine_client import EngineClient

_CHAT = "/v1/chat/completions"
_CONTENT = b'"content"'


@dataclass
class Heard:
    """Of some streams: seconds to the first token of each, tokens, and seconds from the first request to the end."""

    first: list[float] = field(default_factory=list)
    tokens: int = 0
    seconds: float = 0.0

    @property
    def rate(self) -> float:
        """Tokens per second."""
        return self.tokens / self.seconds

    def __iadd__(self, other: Heard) -> Heard:
        self.first += other.first
        self.tokens += other.tokens
        self.seconds += other.seconds
        return self


@dataclass
class Asker:
    """Asks one place for one model; its connections are kept between calls. `turn` is around each of its turns."""

    url: str
    model: str
    client: EngineClient = field(default_factory=EngineClient)
    turn: Callable[[], AbstractContextManager[None]] = nullcontext

    async def streams(self, count: int, tokens: int, pause: float, times: int = 1) -> Heard:
        """So many streams at once, each of so many tokens with so many seconds between them, and again when it ends.

        They begin one after the other, spread over the length of one, as people's do.
        """
        heard, began = Heard(), time.perf_counter()

        async def person(number: int) -> None:
            await asyncio.sleep(number / count * tokens * pause)
            for _ in range(times):
                await self._stream(heard, tokens, pause, number)

        await asyncio.gather(*(person(number) for number in range(count)))
        heard.seconds = time.perf_counter() - began
        return heard

    async def _stream(self, heard: Heard, tokens: int, pause: float, number: int) -> None:
        body = chat(self.model, f"stream {number}", tokens, pause)
        began, first = time.perf_counter(), None
        headers = {"Content-Type": "application/json"}
        async with self.client.post(self.url + _CHAT, json.dumps(body).encode(), headers) as reply:
            if reply.status != 200:
                raise AssertionError(f"{self.url}: {reply.status} {(await reply.read())[:300]!r}")
            async for piece in reply.pieces():
                said = piece.count(_CONTENT)
                if said and first is None:
                    first = time.perf_counter() - began
                heard.tokens += said
        heard.first.append(first or 0.0)


def chat(model: str, text: str, tokens: int, pause: float) -> dict[str, Any]:
    """A streamed chat, which the echo engine answers at this pace."""
    echo = {"tokens": tokens, "itl_ms": pause * 1000}
    return {"model": model, "messages": [{"role": "user", "content": text}], "stream": True, "echo": echo}
