"""Clients that leave a real llama.cpp, while it reads their prompt or while it writes: how soon it has nothing to do.

It stops between two steps of a prompt, which are sent to it one by one. So a step is what it may take, on any machine;
how long one is here is measured beside.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice, pairwise
from statistics import median
from typing import Any

import httpx2

from api.gateway.engine_client import EngineClient
from tests.load.figure import Figure, percentile
from tests.models import smollm2
from tests.stack import Stack
from tests.waiting import eventually

_CHAT = "/v1/chat/completions"
_HEADERS = {"Content-Type": "application/json", "Connection": "close"}
#: Words of a prompt that takes many steps, and of one that takes one; how many clients leave in each.
_LONG, _SHORT, _TIMES = 700, 3, 10
#: Milliseconds.
_TARGET = 250.0
#: How many steps are timed.
_TIMED = 6
#: Seconds between two looks at the engine: often enough, and seldom enough to take nothing from it.
_LOOK = 0.01
_numbers = count()


@dataclass(frozen=True)
class Engine:
    """A run of llama.cpp with one slot, asked by this name."""

    url: str
    asked: str
    http: httpx2.Client

    def busy(self) -> bool:
        """It answers this between its steps and in them."""
        lines = self.http.get(self.url + "/metrics").text.splitlines()
        return any(line.startswith("llamacpp:requests_processing ") and line.split()[-1] != "0" for line in lines)


def figures(stack: Stack, hosts: dict[str, str]) -> Iterator[Figure]:
    """For each host, which is reached in this way."""
    for host, way in hosts.items():
        with httpx2.Client(trust_env=False, timeout=600) as http:
            yield from _of(stack.url, _load(stack, host, http), way)


def _of(url: str, engine: Engine, way: str) -> Iterator[Figure]:
    step = _step(engine)
    reading = [_left(url, engine, _LONG, step / 1000, stream=bool(turn % 2)) for turn in range(_TIMES)]
    step = (step + _step(engine)) / 2
    note = f"p50 {median(reading):.0f} ms, {_TIMES} clients, half of them streams; a step {step:.0f} ms at p90"
    name = f"{way}, llama.cpp idle after its client left while it"
    yield Figure(f"{name} reads, p90", percentile(reading, 90), "ms", max(_TARGET, step), "less", note)
    writing = [_left(url, engine, _SHORT, 0.2, stream=bool(turn % 2)) for turn in range(_TIMES)]
    note = f"p50 {median(writing):.0f} ms, {_TIMES} clients, half of them streams"
    yield Figure(f"{name} writes, p90", percentile(writing, 90), "ms", _TARGET, "less", note)


def _load(stack: Stack, host: str, http: httpx2.Client) -> Engine:
    stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2", host=host))
    spec = {"slots": 1, "context": 4096, "keep_alive": -1}
    run = stack.post("/v1/runs", {"model": "smollm2", "host": host, "spec": spec})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 120)
    return Engine(stack.get(f"/v1/runs/{run}")["endpoint"]["url"], f"smollm2@{host}", http)


def _step(engine: Engine) -> float:
    """Milliseconds that one of ten steps of such a prompt is longer than now, as the engine tells it."""
    body = _body("", _LONG, stream=True, return_progress=True)
    with engine.http.stream("POST", engine.url + _CHAT, json=body) as reply:
        told = (json.loads(line.partition(" ")[2]) for line in reply.iter_lines() if "prompt_progress" in line)
        times = [chunk["prompt_progress"]["time_ms"] for chunk in islice(told, _TIMED + 1)]
    eventually(lambda: not engine.busy(), 60)
    return percentile([after - before for before, after in pairwise(times)], 90)


def _left(url: str, engine: Engine, words: int, stays: float, *, stream: bool) -> float:
    """Milliseconds from a client's leaving, `stays` to three times as many seconds after it was heard, to no work."""
    body = json.dumps(_body(engine.asked, words, stream=stream, max_tokens=3000, ignore_eos=True)).encode()
    return asyncio.run(_leave(url, engine, body, stays * (1 + 2 * random.random())))


async def _leave(url: str, engine: Engine, body: bytes, stays: float) -> float:
    asking = asyncio.create_task(_ask(url, body))
    while not await asyncio.to_thread(engine.busy):
        await asyncio.sleep(_LOOK)
    await asyncio.wait({asking}, timeout=stays)
    assert not asking.done(), "the engine was faster than its client left"
    asking.cancel()
    began = time.perf_counter()
    await asyncio.gather(asking, return_exceptions=True)
    while await asyncio.to_thread(engine.busy):
        await asyncio.sleep(_LOOK)
    return (time.perf_counter() - began) * 1000


async def _ask(url: str, body: bytes) -> None:
    async with EngineClient().post(url + _CHAT, body, _HEADERS) as reply:
        async for _ in reply.pieces():
            """It goes on until we leave."""


def _body(model: str, words: int, **more: Any) -> dict[str, Any]:
    """A prompt that no other begins like, so that all of it is read."""
    number = next(_numbers)
    text = f"{number} " + " ".join(f"w{(i * 7919 + number * 31) % 9973}" for i in range(words))
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}
