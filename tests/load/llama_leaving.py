"""Clients that leave a real llama.cpp, while it reads their prompt or while it writes: how soon it has nothing to do.

It stops between two steps (of 128 tokens of a prompt, on a CPU), and begins the next one before it sees that nobody
listens to what it says of the last. So two steps are what it may take; their length is measured beside, for on a busy
machine it is seconds.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any

import httpx2

from api.gateway.engine_client import EngineClient
from shared.memory.engine import llama_step
from tests.load.figure import Figure, percentile
from tests.models import smollm2
from tests.stack import Stack
from tests.waiting import eventually
from workers.launch.metal import HAS_METAL

_CHAT = "/v1/chat/completions"
_HEADERS = {"Content-Type": "application/json", "Connection": "close"}
#: Words of a prompt that takes many steps, and of one that takes none; how many clients leave in each.
_LONG, _SHORT, _TIMES = 700, 3, 6
_TARGET = 250.0
_numbers = count()


@dataclass(frozen=True)
class Engine:
    """A run of llama.cpp with one slot, asked by this name."""

    url: str
    asked: str

    def busy(self) -> bool:
        """It answers this between its steps and in them."""
        lines = httpx2.get(self.url + "/metrics", trust_env=False, timeout=60).text.splitlines()
        return any(line.startswith("llamacpp:requests_processing ") and line.split()[-1] != "0" for line in lines)


def figures(stack: Stack, hosts: dict[str, str]) -> Iterator[Figure]:
    """For each host, which is reached in this way."""
    for host, way in hosts.items():
        engine = _load(stack, host)
        step = _step(engine)
        for words, phase, allowed in ((_LONG, "reads", max(_TARGET, 2 * step)), (_SHORT, "writes", _TARGET)):
            waits = [
                asyncio.run(_left(stack.url, engine, words, stream=stream)) for stream in (True, False) * (_TIMES // 2)
            ]
            note = f"p50 {percentile(waits, 50):.0f} ms, {_TIMES} clients, half of them streams; a step {step:.0f} ms"
            name = f"{way}, llama.cpp idle after its client left while it {phase}, p90"
            yield Figure(name, percentile(waits, 90), "ms", allowed, "less", note)


def _load(stack: Stack, host: str) -> Engine:
    stack.wait(stack.submit("download", model=f"local:{smollm2().path}", name="smollm2", host=host))
    spec = {"slots": 1, "context": 4096, "keep_alive": -1}
    run = stack.post("/v1/runs", {"model": "smollm2", "host": host, "spec": spec})["id"]
    eventually(lambda: stack.get(f"/v1/runs/{run}")["state"] == "ready", 120)
    return Engine(stack.get(f"/v1/runs/{run}")["endpoint"]["url"], f"smollm2@{host}")


def _step(engine: Engine) -> float:
    """Milliseconds that a step of such a prompt takes now."""
    said = httpx2.post(engine.url + _CHAT, json=_body("", _LONG, max_tokens=1), trust_env=False, timeout=600)
    took = said.json()["timings"]
    return float(took["prompt_ms"] / took["prompt_n"] * llama_step(gpu=HAS_METAL))


async def _left(url: str, engine: Engine, words: int, *, stream: bool) -> float:
    """Milliseconds from a client's leaving until the engine has nothing to do."""
    body = json.dumps(_body(engine.asked, words, stream=stream, max_tokens=3000, ignore_eos=True)).encode()
    asking = asyncio.create_task(_ask(url, body))
    while not await asyncio.to_thread(engine.busy):
        await asyncio.sleep(0.01)
    await asyncio.wait({asking}, timeout=0.2 + random.random() / 2)
    assert not asking.done(), "the engine was faster than its client left"
    asking.cancel()
    began = time.perf_counter()
    await asyncio.gather(asking, return_exceptions=True)
    while await asyncio.to_thread(engine.busy):
        await asyncio.sleep(0.002)
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
